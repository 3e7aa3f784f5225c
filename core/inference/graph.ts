/**
 * Writes neural networks as ONNX files, so that what Gyre fits runs in any ONNX runtime.
 *
 *   const graph = new OnnxGraph('double')
 *   const x = graph.input('x', 'float32', ['N', 3])
 *   graph.output('y', 'float32', ['N', 3], graph.node('Mul', [x, graph.constant('two', [2], [])]))
 *   const model = graph.toBytes() // Uint8Array
 *
 * The schema below is the part of ONNX's that the graphs need (IR 9, opset 18, onnx/onnx.proto). The same graph always
 * gives the same bytes.
 */

import protobuf from 'protobufjs'
import type { TensorType } from './session.ts'

const schema = protobuf.parse(`
  syntax = "proto3";
  message Model { int64 ir_version = 1; string producer_name = 2; Graph graph = 7; repeated OperatorSet opset_import = 8; }
  message OperatorSet { string domain = 1; int64 version = 2; }
  message Graph { repeated Node node = 1; string name = 2; repeated Tensor initializer = 5; repeated Value input = 11; repeated Value output = 12; }
  message Node { repeated string input = 1; repeated string output = 2; string name = 3; string op_type = 4; repeated Attribute attribute = 5; }
  message Attribute { string name = 1; float f = 2; int64 i = 3; bytes s = 4; repeated float floats = 7; repeated int64 ints = 8; int32 type = 20; }
  message Tensor { repeated int64 dims = 1; int32 data_type = 2; string name = 8; bytes raw_data = 9; }
  message Value { string name = 1; Type type = 2; }
  message Type { TensorOf tensor_type = 1; }
  message TensorOf { int32 elem_type = 1; Shape shape = 2; }
  message Shape { repeated Dimension dim = 1; }
  message Dimension { oneof size { int64 dim_value = 1; string dim_param = 2; } }
`).root

const IR_VERSION = 9
const OPSET = 18
const MODEL_GRAPH = 7
const GRAPH = { node: 1, input: 11, output: 12 } as const
const NODE = { input: 1, output: 2 } as const

/** TensorProto.DataType. */
export const ELEMENT = { float32: 1, uint8: 2, int32: 6, int64: 7, float64: 11 } as const satisfies Record<
  TensorType,
  number
>

/** A float attribute; a bare number is an integer one. */
export interface FloatAttribute {
  readonly float: number
}
export type AttributeValue = number | FloatAttribute | string | readonly number[]

/** A fixed size, or the name of a free one. */
export type Dimension = number | string

type ConstantData = readonly number[] | Float32Array | Float64Array | Int32Array | BigInt64Array | Uint8Array

/** The name of a value inside a graph. */
export type ValueName = string

/** One graph being written. Values are named by the node that makes them; `prefix` keeps names apart when graphs are joined. */
export class OnnxGraph {
  readonly #nodes: object[] = []
  readonly #constants: object[] = []
  readonly #inputs: object[] = []
  readonly #outputs: object[] = []

  constructor(
    readonly name: string,
    private readonly prefix = '',
  ) {}

  input(name: ValueName, type: TensorType, dims: readonly Dimension[]): ValueName {
    this.#inputs.push(valueInfo(name, type, dims))
    return name
  }

  /** Gives `value` one more name. */
  alias(name: ValueName, value: ValueName): void {
    this.#nodes.push({ input: [value], output: [name], name: `${this.prefix}alias_${name}`, opType: 'Identity' })
  }

  /** Declares `value` as an output called `name`. */
  output(name: ValueName, type: TensorType, dims: readonly Dimension[], value: ValueName): void {
    this.alias(name, value)
    this.#outputs.push(valueInfo(name, type, dims))
  }

  /** @param data - plain numbers become float32; BigInt64Array becomes int64 (shapes, axes). `dims` [] is a scalar. */
  constant(name: string, data: ConstantData, dims: readonly number[]): ValueName {
    const values = Array.isArray(data) ? Float32Array.from(data) : (data as Exclude<ConstantData, readonly number[]>)
    const rawData = new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
    const full = `${this.prefix}${name}`
    this.#constants.push({ dims: [...dims], dataType: ELEMENT[typeOf(values)], name: full, rawData })
    return full
  }

  /** Adds an operator and returns the name of its first output. */
  node(
    opType: string,
    inputs: readonly ValueName[],
    attributes: Readonly<Record<string, AttributeValue>> = {},
  ): ValueName {
    return this.nodeOf(1, opType, inputs, attributes)[0]!
  }

  /** Adds an operator with several outputs and returns their names. */
  nodeOf(
    outputs: number,
    opType: string,
    inputs: readonly ValueName[],
    attributes: Readonly<Record<string, AttributeValue>> = {},
  ): readonly ValueName[] {
    const name = `${this.prefix}${opType}_${this.#nodes.length}`
    const output = Array.from({ length: outputs }, (_, i) => (i === 0 ? name : `${name}.${i}`))
    const attribute = Object.entries(attributes).map(([key, value]) => attributeMessage(key, value))
    this.#nodes.push({ input: [...inputs], output, name, opType, attribute })
    return output
  }

  /** The model as an ONNX file. */
  toBytes(): Uint8Array {
    return encode('Model', {
      irVersion: IR_VERSION,
      producerName: 'gyre',
      opsetImport: [{ domain: '', version: OPSET }],
      graph: this.#message(),
    })
  }

  /** Only the graph, to be joined to another one. */
  graphBytes(): Uint8Array {
    return encode('Graph', this.#message())
  }

  #message(): object {
    return {
      name: this.name,
      node: this.#nodes,
      initializer: this.#constants,
      input: this.#inputs,
      output: this.#outputs,
    }
  }
}

/** What `joinGraphs` takes away from the first model before it appends. */
export interface JoinOptions {
  /** Drops the first model's inputs: the appended graph declares others, and its nodes come first. */
  readonly replaceInputs?: boolean
  /** Drops the first model's outputs: the appended graph declares others. */
  readonly replaceOutputs?: boolean
  /** Another name for a value of the first model, where the appended graph needs its name. */
  readonly rename?: { readonly from: ValueName; readonly to: ValueName }
}

/**
 * Appends a graph to a model, of any origin, without decoding more than the outline: unknown fields, subgraphs and
 * large weights are copied as they are. The graph refers to the model's values by name.
 *
 * @param model - an ONNX file.
 * @param graph - more nodes; it may use operators only that mean the same in the model's opset.
 */
export function joinGraphs(model: Uint8Array, graph: OnnxGraph, options: JoinOptions = {}): Uint8Array {
  const dropped = new Set<number>()
  if (options.replaceInputs) dropped.add(GRAPH.input)
  if (options.replaceOutputs) dropped.add(GRAPH.output)
  const fields = fieldsOf(model)
  const original = fields.filter((f) => f.id === MODEL_GRAPH).flatMap((f) => fieldsOf(f.body))
  const { rename } = options
  const kept = original
    .filter((f) => !dropped.has(f.id))
    .map((f) => (rename && f.id === GRAPH.node ? renamed(f, rename) : f.whole))
  // Nodes must stand in topological order, so a graph that feeds the model goes before it.
  const added = fieldsOf(graph.graphBytes()).filter((f) => f.id !== 2)
  const addedBytes = added.map((f) => f.whole)
  const body = Buffer.concat(options.replaceInputs ? [...addedBytes, ...kept] : [...kept, ...addedBytes])
  const outline = fields.filter((f) => f.id !== MODEL_GRAPH).map((f) => f.whole)
  return new Uint8Array(Buffer.concat([...outline, delimited(MODEL_GRAPH, body)]))
}

/** A node whose inputs and outputs of one name have another. */
function renamed(node: Field, { from, to }: { readonly from: ValueName; readonly to: ValueName }): Uint8Array {
  const old = Buffer.from(from)
  const fields = fieldsOf(node.body)
  const isNamed = ({ id, body }: Field) => (id === NODE.input || id === NODE.output) && old.equals(body)
  if (!fields.some(isNamed)) return node.whole
  const parts = fields.map((f) => (isNamed(f) ? delimited(f.id, Buffer.from(to)) : f.whole))
  return delimited(node.id, Buffer.concat(parts))
}

function delimited(id: number, body: Uint8Array): Uint8Array {
  return protobuf.Writer.create()
    .uint32((id << 3) | 2)
    .bytes(body)
    .finish()
}

interface Field {
  readonly id: number
  /** Tag, length and payload. */
  readonly whole: Uint8Array
  /** The payload of a length-delimited field, else empty. */
  readonly body: Uint8Array
}

/** The fields of one encoded message, in order, undecoded. */
function fieldsOf(message: Uint8Array): Field[] {
  const reader = protobuf.Reader.create(message)
  const fields: Field[] = []
  while (reader.pos < reader.len) {
    const start = reader.pos
    const tag = reader.uint32()
    const wireType = tag & 7
    const afterTag = reader.pos
    reader.skipType(wireType)
    const whole = message.subarray(start, reader.pos)
    fields.push({
      id: tag >>> 3,
      whole,
      body: wireType === 2 ? payload(message, afterTag, reader.pos) : new Uint8Array(),
    })
  }
  return fields
}

function payload(message: Uint8Array, start: number, end: number): Uint8Array {
  const reader = protobuf.Reader.create(message.subarray(start, end))
  reader.uint32()
  return message.subarray(start + reader.pos, end)
}

function encode(type: string, value: object): Uint8Array {
  const message = schema.lookupType(type)
  return new Uint8Array(message.encode(message.fromObject(value)).finish())
}

function typeOf(data: Exclude<ConstantData, readonly number[]>): TensorType {
  if (data instanceof Float32Array) return 'float32'
  if (data instanceof Float64Array) return 'float64'
  if (data instanceof BigInt64Array) return 'int64'
  return data instanceof Int32Array ? 'int32' : 'uint8'
}

function valueInfo(name: string, type: TensorType, dims: readonly Dimension[]): object {
  const dim = dims.map((d) => (typeof d === 'number' ? { dimValue: d } : { dimParam: d }))
  return { name, type: { tensorType: { elemType: ELEMENT[type], shape: { dim } } } }
}

/** AttributeProto.AttributeType. */
function attributeMessage(name: string, value: AttributeValue): object {
  if (typeof value === 'number') return { name, type: 2, i: value }
  if (typeof value === 'string') return { name, type: 3, s: Buffer.from(value) }
  return 'float' in value ? { name, type: 1, f: value.float } : { name, type: 7, ints: [...value] }
}
