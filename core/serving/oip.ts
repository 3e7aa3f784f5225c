/**
 * The Open Inference Protocol v2 over HTTP: JSON bodies and the binary tensor extension, in both directions.
 * Inside, a tensor is always raw little-endian bytes (BYTES: a list of elements), so that both forms meet the same checks.
 *
 * Source: kserve/open-inference-protocol `inference_rest.md`, Triton `extension_binary_data.md`.
 */

import { PlatformError } from '#core/errors'
import { bytesToNumbers, ELEMENT_BYTES, isDatatype, numbersToBytes, type Datatype } from './datatypes.ts'

export type Parameters = Readonly<Record<string, string | number | boolean>>

export interface InferTensor {
  readonly name: string
  readonly datatype: Datatype
  /** Whole batch included. */
  readonly shape: readonly number[]
  readonly parameters: Parameters
  /** Raw little-endian bytes; for BYTES one array per element. */
  readonly data: Uint8Array | readonly Uint8Array[]
  /** Whether BYTES elements came as JSON strings (their UTF-8 bytes are in `data`). */
  readonly fromText: boolean
}

export interface RequestedOutput {
  readonly name: string
  readonly parameters: Parameters
}

export interface InferRequest {
  readonly id: string | null
  readonly parameters: Parameters
  readonly inputs: readonly InferTensor[]
  /** Empty: all outputs. */
  readonly outputs: readonly RequestedOutput[]
}

export interface OutputTensor {
  readonly name: string
  readonly datatype: Datatype
  readonly shape: readonly number[]
  readonly parameters?: Parameters
  readonly data: Uint8Array | readonly Uint8Array[]
}

export interface InferResponse {
  readonly modelName: string
  readonly modelVersion: string
  readonly id: string | null
  readonly parameters?: Parameters
  readonly outputs: readonly OutputTensor[]
}

export interface EncodedResponse {
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
}

/** Carries the length of the JSON part where raw tensors follow it. */
export const HEADER_LENGTH = 'inference-header-content-length'

const MAX_NESTING = 100

/**
 * @param body - the whole HTTP body.
 * @param headerLength - value of `Inference-Header-Content-Length`; absent: the body is JSON alone. A value of 0 (a raw
 *   request without JSON) needs the model's signature and is not decoded here.
 * @throws {PlatformError} `INVALID_INPUT`, always with the path or tensor at fault.
 */
export function decodeRequest(body: Uint8Array, headerLength?: string): InferRequest {
  const jsonBytes = headerLength === undefined ? body.length : parseHeaderLength(headerLength, body.length)
  const json = parseJson(body.subarray(0, jsonBytes))
  if (!isObject(json)) throw invalid('the request must be a JSON object')
  const { id, inputs, outputs } = json
  if (id !== undefined && typeof id !== 'string') throw invalid("'id' must be a string")
  if (!Array.isArray(inputs) || inputs.length === 0) throw invalid("'inputs' must be a list of at least one tensor")
  if (outputs !== undefined && !Array.isArray(outputs)) throw invalid("'outputs' must be a list")
  const raw = new RawPart(body.subarray(jsonBytes))
  const tensors = inputs.map((input, i) => decodeInput(input, `inputs[${i}]`, raw))
  raw.expectEnd()
  refuseRepeats(tensors, 'input')
  const wanted = (outputs ?? []).map((output, i) => decodeOutput(output, `outputs[${i}]`))
  refuseRepeats(wanted, 'output')
  return { id: id ?? null, parameters: decodeParameters(json['parameters']), inputs: tensors, outputs: wanted }
}

/** Hands out the bytes after the JSON header, in input order. */
class RawPart {
  private offset = 0
  private readonly bytes: Uint8Array
  constructor(bytes: Uint8Array) {
    this.bytes = bytes
  }

  take(length: number, tensor: string): Uint8Array {
    const left = this.bytes.length - this.offset
    if (length > left)
      throw invalid(`input '${tensor}' says ${length} bytes of binary data, but only ${left} are left in the body`)
    this.offset += length
    return this.bytes.subarray(this.offset - length, this.offset)
  }

  expectEnd(): void {
    const left = this.bytes.length - this.offset
    if (left > 0) throw invalid(`${left} bytes of the body belong to no input`)
  }
}

function parseHeaderLength(value: string, bodyBytes: number): number {
  const length = Number(value)
  if (!/^\d+$/.test(value) || !Number.isSafeInteger(length) || length > bodyBytes)
    throw invalid(`Inference-Header-Content-Length is '${value.slice(0, 40)}', but the body has ${bodyBytes} bytes`)
  return length
}

function parseJson(bytes: Uint8Array): unknown {
  refuseDeepNesting(bytes)
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (error) {
    const message = error instanceof Error ? error.message.slice(0, 120) : ''
    throw invalid(`the body is not JSON: ${message}`)
  }
}

/** Looks at brackets outside strings before any parser recurses over them. */
function refuseDeepNesting(bytes: Uint8Array): void {
  let depth = 0
  let inString = false
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i]
    if (inString) {
      if (byte === 0x5c) i++
      else if (byte === 0x22) inString = false
    } else if (byte === 0x22) inString = true
    else if (byte === 0x5b || byte === 0x7b) {
      if (++depth > MAX_NESTING) throw invalid(`the JSON is nested deeper than ${MAX_NESTING} levels`)
    } else if (byte === 0x5d || byte === 0x7d) depth--
  }
}

function decodeInput(input: unknown, path: string, raw: RawPart): InferTensor {
  if (!isObject(input)) throw invalid(`'${path}' must be an object`)
  const { name, datatype, data } = input
  if (typeof name !== 'string' || name === '') throw invalid(`'${path}.name' must be a string`)
  if (!isDatatype(datatype)) throw invalid(`'${path}.datatype' must be one of ${Object.keys(ELEMENT_BYTES).join(', ')}`)
  const shape = decodeShape(input['shape'], `${path}.shape`)
  const elements = elementCount(shape, `${path}.shape`)
  const parameters = decodeParameters(input['parameters'])
  const binarySize = parameters['binary_data_size']
  if (binarySize === undefined) {
    if (data === undefined) throw invalid(`'${path}' has neither 'data' nor the parameter 'binary_data_size'`)
    return { name, datatype, shape, parameters, ...decodeJsonData(data, name, datatype, elements) }
  }
  if (data !== undefined) throw invalid(`'${path}' has both 'data' and the parameter 'binary_data_size'`)
  if (typeof binarySize !== 'number' || !Number.isSafeInteger(binarySize) || binarySize < 0)
    throw invalid(`'${path}.parameters.binary_data_size' must be a whole number of bytes`)
  const bytes = raw.take(binarySize, name)
  return { name, datatype, shape, parameters, data: splitRaw(bytes, name, datatype, elements), fromText: false }
}

function decodeJsonData(
  data: unknown,
  name: string,
  datatype: Datatype,
  elements: number,
): Pick<InferTensor, 'data' | 'fromText'> {
  const flat: unknown[] = []
  flatten(Array.isArray(data) ? data : [data], flat)
  if (flat.length !== elements)
    throw invalid(`input '${name}' has ${flat.length} elements, but its shape says ${elements}`)
  if (datatype !== 'BYTES') return { data: numbersToBytes(flat, datatype, name), fromText: false }
  const encoder = new TextEncoder()
  const texts = flat.map((value, i) => {
    if (typeof value !== 'string')
      throw invalid(`input '${name}' is BYTES, but element ${i} is ${JSON.stringify(value).slice(0, 40)}`)
    return encoder.encode(value)
  })
  return { data: texts, fromText: true }
}

function flatten(values: readonly unknown[], into: unknown[]): void {
  for (const value of values)
    if (Array.isArray(value)) flatten(value, into)
    else into.push(value)
}

/** @returns the tensor's bytes checked against its shape; BYTES split into elements by their uint32 length prefixes. */
export function splitRaw(
  bytes: Uint8Array,
  name: string,
  datatype: Datatype,
  elements: number,
): Uint8Array | Uint8Array[] {
  if (datatype !== 'BYTES') {
    const expected = elements * ELEMENT_BYTES[datatype]
    if (bytes.length !== expected)
      throw invalid(`input '${name}' has ${bytes.length} bytes, but its shape and datatype need ${expected}`)
    return bytes
  }
  const parts: Uint8Array[] = []
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let at = 0
  while (at < bytes.length) {
    const start = at + 4
    const end = start <= bytes.length ? start + view.getUint32(at, true) : Infinity
    if (end > bytes.length) throw invalid(`element ${parts.length} of input '${name}' ends beyond its binary data`)
    parts.push(bytes.subarray(start, end))
    at = end
  }
  if (parts.length !== elements)
    throw invalid(`input '${name}' has ${parts.length} elements, but its shape says ${elements}`)
  return parts
}

function decodeShape(shape: unknown, path: string): number[] {
  if (!Array.isArray(shape) || shape.length === 0 || shape.length > 16)
    throw invalid(`'${path}' must be a list of 1 to 16 dimensions`)
  return shape.map((dim: unknown, i) => {
    if (typeof dim !== 'number' || !Number.isInteger(dim) || dim < 0)
      throw invalid(`'${path}[${i}]' must be a whole number, at least 0`)
    return dim
  })
}

/** A product that would overflow is refused before anything is allocated. */
function elementCount(shape: readonly number[], path: string): number {
  if (shape.includes(0)) return 0
  const count = shape.reduce((product, dim) => product * dim, 1)
  if (!Number.isSafeInteger(count)) throw invalid(`'${path}' [${shape.join(', ')}] holds more elements than fit`)
  return count
}

function decodeOutput(output: unknown, path: string): RequestedOutput {
  if (!isObject(output) || typeof output['name'] !== 'string')
    throw invalid(`'${path}' must be an object with a 'name'`)
  return { name: output['name'], parameters: decodeParameters(output['parameters']) }
}

function decodeParameters(parameters: unknown): Parameters {
  if (parameters === undefined) return {}
  if (!isObject(parameters)) throw invalid("'parameters' must be an object")
  for (const [name, value] of Object.entries(parameters))
    if (!['string', 'number', 'boolean'].includes(typeof value))
      throw invalid(`parameter '${name}' must be a string, a number or a boolean`)
  return parameters as Parameters
}

function refuseRepeats(tensors: readonly { readonly name: string }[], kind: string): void {
  const seen = new Set<string>()
  for (const { name } of tensors) {
    if (seen.has(name)) throw invalid(`${kind} '${name}' is named twice`)
    seen.add(name)
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function invalid(message: string): PlatformError {
  return new PlatformError('INVALID_INPUT', message)
}

/**
 * Writes the answer in the form that the request asked for, output by output.
 *
 * @param request - its `outputs` choose and order what is sent; `binary_data` and `binary_data_output` choose the form.
 * @throws {PlatformError} `INVALID_INPUT` when a requested output does not exist.
 */
export function encodeResponse(response: InferResponse, request: InferRequest): EncodedResponse {
  const chosen = chooseOutputs(response.outputs, request)
  const raw: Uint8Array[] = []
  const outputs = chosen.map(({ output, binary }) => {
    const { name, datatype, shape, parameters } = output
    if (!binary) return { name, datatype, shape, ...(parameters && { parameters }), data: jsonData(output) }
    const bytes = rawBytes(output)
    raw.push(bytes)
    return { name, datatype, shape, parameters: { ...parameters, binary_data_size: bytes.length } }
  })
  const json = Buffer.from(
    JSON.stringify({
      model_name: response.modelName,
      model_version: response.modelVersion,
      ...(response.id !== null && { id: response.id }),
      ...(response.parameters && { parameters: response.parameters }),
      outputs,
    }),
  )
  if (!chosen.some(({ binary }) => binary)) return { headers: { 'content-type': 'application/json' }, body: json }
  return {
    headers: { 'content-type': 'application/octet-stream', [HEADER_LENGTH]: String(json.length) },
    body: Buffer.concat([json, ...raw]),
  }
}

function chooseOutputs(
  outputs: readonly OutputTensor[],
  request: InferRequest,
): { output: OutputTensor; binary: boolean }[] {
  const byDefault = request.parameters['binary_data_output'] === true
  if (request.outputs.length === 0) return outputs.map((output) => ({ output, binary: byDefault }))
  return request.outputs.map(({ name, parameters }) => {
    const output = outputs.find((one) => one.name === name)
    if (!output)
      throw invalid(`there is no output '${name}'; the outputs are ${outputs.map((one) => one.name).join(', ')}`)
    const binary = parameters['binary_data']
    return { output, binary: typeof binary === 'boolean' ? binary : byDefault }
  })
}

function jsonData({ datatype, data }: OutputTensor): unknown[] {
  if (!(data instanceof Uint8Array)) {
    const decoder = new TextDecoder()
    return data.map((element) => decoder.decode(element))
  }
  return bytesToNumbers(data, datatype)
}

function rawBytes({ data }: OutputTensor): Uint8Array {
  if (data instanceof Uint8Array) return data
  const parts = data.flatMap((element) => {
    const length = Buffer.alloc(4)
    length.writeUInt32LE(element.length)
    return [length, element]
  })
  return Buffer.concat(parts)
}

/** The only shape of an error that the protocol knows. */
export function errorBody(message: string): string {
  return JSON.stringify({ error: message })
}
