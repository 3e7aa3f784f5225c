import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeRequest, encodeResponse, type InferRequest, type InferResponse, type OutputTensor } from '#core/serving'

const json = (value: unknown) => Buffer.from(JSON.stringify(value))
const tensor = (fields: object) => ({ name: 'x', datatype: 'UINT8', shape: [2], data: [1, 2], ...fields })
const request = (...inputs: object[]) => json({ inputs })

describe('a JSON request', () => {
  it('gives its tensors as little-endian bytes, whatever the nesting of the data', () => {
    const flat = decodeRequest(request(tensor({ datatype: 'UINT16', shape: [2, 2], data: [1, 2, 3, 258] })))
    const nested = decodeRequest(
      request(
        tensor({
          datatype: 'UINT16',
          shape: [2, 2],
          data: [
            [1, 2],
            [3, 258],
          ],
        }),
      ),
    )
    expect(flat.inputs[0]!.data).toEqual(Uint8Array.from([1, 0, 2, 0, 3, 0, 2, 1]))
    expect(nested).toEqual(flat)
  })

  it.each([
    ['BOOL', [true, false], [1, 0]],
    ['INT8', [-1, 127], [255, 127]],
    ['INT16', [-2], [254, 255]],
    ['INT32', [-2], [254, 255, 255, 255]],
    ['UINT32', [4294967295], [255, 255, 255, 255]],
    ['INT64', [-1], [255, 255, 255, 255, 255, 255, 255, 255]],
    ['UINT64', [258], [2, 1, 0, 0, 0, 0, 0, 0]],
    ['FP32', [1], [0, 0, 128, 63]],
    ['FP64', [1], [0, 0, 0, 0, 0, 0, 240, 63]],
  ])('carries %s', (datatype, data, bytes) => {
    const decoded = decodeRequest(request(tensor({ datatype, shape: [data.length], data })))
    expect(decoded.inputs[0]!.data).toEqual(Uint8Array.from(bytes))
  })

  it('carries BYTES as UTF-8', () => {
    const decoded = decodeRequest(request(tensor({ datatype: 'BYTES', data: ['ä', ''] })))
    expect(decoded.inputs[0]!.data).toEqual([Uint8Array.from([0xc3, 0xa4]), new Uint8Array()])
  })

  it('carries a tensor without elements', () => {
    expect(decodeRequest(request(tensor({ shape: [0, 4], data: [] }))).inputs[0]!.data).toEqual(new Uint8Array())
  })

  it('keeps id, parameters and requested outputs', () => {
    const decoded = decodeRequest(
      json({ id: '7', parameters: { timeout: 5 }, inputs: [tensor({})], outputs: [{ name: 'y' }] }),
    )
    expect(decoded).toMatchObject({ id: '7', parameters: { timeout: 5 }, outputs: [{ name: 'y', parameters: {} }] })
  })

  it.each([
    ['an element too few', request(tensor({ data: [1] })), "input 'x' has 1 elements, but its shape says 2"],
    ['a value out of bounds', request(tensor({ data: [1, 256] })), "input 'x' is UINT8, but element 1 is 256"],
    ['a fraction among integers', request(tensor({ data: [1, 0.5] })), 'element 1 is 0.5'],
    ['a string among numbers', request(tensor({ data: [1, '2'] })), 'element 1 is "2"'],
    ['a number among BYTES', request(tensor({ datatype: 'BYTES', data: ['a', 2] })), 'element 1 is 2'],
    ['a datatype without JSON form', request(tensor({ datatype: 'FP16' })), 'no JSON form'],
    ['an unknown datatype', request(tensor({ datatype: 'STRING' })), "'inputs[0].datatype' must be one of"],
    [
      'a negative dimension',
      request(tensor({ shape: [-2] })),
      "'inputs[0].shape[0]' must be a whole number, at least 0",
    ],
    [
      'a shape whose product overflows 2^64',
      request(tensor({ shape: [2 ** 33, 2 ** 33, 2 ** 33] })),
      'more elements than fit',
    ],
    ['no shape', json({ inputs: [{ name: 'x', datatype: 'UINT8', data: [] }] }), "'inputs[0].shape' must be a list"],
    ['no data', json({ inputs: [{ name: 'x', datatype: 'UINT8', shape: [1] }] }), "neither 'data' nor"],
    ['no inputs', json({ inputs: [] }), "'inputs' must be a list of at least one tensor"],
    ['an input twice', request(tensor({}), tensor({})), "input 'x' is named twice"],
    [
      'an output twice',
      json({ inputs: [tensor({})], outputs: [{ name: 'y' }, { name: 'y' }] }),
      "output 'y' is named twice",
    ],
    ['an id that is no string', json({ id: 7, inputs: [tensor({})] }), "'id' must be a string"],
    ['a parameter that is an object', json({ inputs: [tensor({})], parameters: { a: {} } }), "parameter 'a' must be"],
    ['a list instead of an object', json([]), 'must be a JSON object'],
    ['text', Buffer.from('hello'), 'the body is not JSON'],
    ['bytes that are no UTF-8', Buffer.from([0x7b, 0xff, 0x7d]), 'the body is not JSON'],
    [
      'nesting beyond 100 levels',
      Buffer.from(`{"inputs":${'['.repeat(101)}${']'.repeat(101)}}`),
      'nested deeper than 100',
    ],
    ['250,000 brackets', Buffer.from('['.repeat(250_000)), 'nested deeper than 100'],
  ])('with %s is refused', (_name, body, message) => {
    expect(() => decodeRequest(body)).toThrow(
      expect.objectContaining({ code: 'INVALID_INPUT', message: expect.stringContaining(message) }),
    )
  })

  it('may hold brackets in strings', () => {
    const id = '['.repeat(200)
    expect(decodeRequest(json({ id, inputs: [tensor({})] })).id).toBe(id)
  })
})

describe('a binary request', () => {
  const header = (inputs: object[]) => json({ inputs })
  const binary = (name: string, shape: number[], size: number, datatype = 'UINT8') => ({
    name,
    shape,
    datatype,
    parameters: { binary_data_size: size },
  })
  const decode = (head: Buffer, ...raw: Buffer[]) => decodeRequest(Buffer.concat([head, ...raw]), String(head.length))

  it('gives each input its own part of the bytes, in order', () => {
    const head = header([binary('a', [2], 2), tensor({ name: 'b' }), binary('c', [1], 4, 'FP32')])
    const decoded = decode(head, Buffer.from([9, 8]), Buffer.from([0, 0, 128, 63]))
    expect(decoded.inputs.map(({ data }) => [...(data as Uint8Array)])).toEqual([
      [9, 8],
      [1, 2],
      [0, 0, 128, 63],
    ])
  })

  it('splits BYTES by their length prefixes', () => {
    const head = header([binary('a', [2], 11, 'BYTES')])
    const decoded = decode(head, Buffer.from([2, 0, 0, 0, 104, 105, 1, 0, 0, 0, 33]))
    expect(decoded.inputs[0]!.data).toEqual([Buffer.from('hi'), Buffer.from('!')])
  })

  it.each([
    [
      'more bytes announced than sent',
      [binary('a', [4], 4)],
      [1, 2],
      "input 'a' says 4 bytes of binary data, but only 2 are left",
    ],
    ['bytes that belong to nobody', [binary('a', [1], 1)], [1, 2], '1 bytes of the body belong to no input'],
    [
      'a size that does not fit the shape',
      [binary('a', [3], 2)],
      [1, 2],
      'has 2 bytes, but its shape and datatype need 3',
    ],
    ['a BYTES element beyond the end', [binary('a', [1], 4, 'BYTES')], [9, 0, 0, 0], 'ends beyond its binary data'],
    ['a cut length prefix', [binary('a', [1], 2, 'BYTES')], [1, 0], 'ends beyond its binary data'],
    ['too few BYTES elements', [binary('a', [2], 4, 'BYTES')], [0, 0, 0, 0], 'has 1 elements, but its shape says 2'],
    [
      'a size that is no number',
      [{ ...binary('a', [1], 1), parameters: { binary_data_size: '1' } }],
      [1],
      'whole number of bytes',
    ],
    ['data and a size', [tensor({ parameters: { binary_data_size: 2 } })], [1, 2], "both 'data' and"],
  ])('with %s is refused', (_name, inputs, raw, message) => {
    expect(() => decode(header(inputs), Buffer.from(raw))).toThrow(message)
  })

  it.each(['99999999999', '-1', '1.5', 'abc', '', '99999999999999999999'])(
    'with header length %j is refused',
    (length) => {
      expect(() => decodeRequest(request(tensor({})), length)).toThrow(/Inference-Header-Content-Length is/)
    },
  )
})

describe('an answer', () => {
  const response: InferResponse = {
    modelName: 'm',
    modelVersion: '3',
    id: null,
    outputs: [
      { name: 'scores', datatype: 'FP32', shape: [1, 2], data: new Uint8Array(Float32Array.from([0.1, 0.9]).buffer) },
      { name: 'class', datatype: 'BYTES', shape: [1], data: [Buffer.from('b')] },
    ],
  }
  const asked = (fields: Partial<InferRequest>): InferRequest => ({
    id: null,
    parameters: {},
    inputs: [],
    outputs: [],
    ...fields,
  })

  it('is JSON with all outputs unless asked otherwise', () => {
    const { headers, body } = encodeResponse({ ...response, id: '7' }, asked({}))
    expect(headers).toEqual({ 'content-type': 'application/json' })
    expect(JSON.parse(body.toString())).toEqual({
      model_name: 'm',
      model_version: '3',
      id: '7',
      outputs: [
        {
          name: 'scores',
          datatype: 'FP32',
          shape: [1, 2],
          data: [0.1, 0.9].map((x) => Number(Math.fround(x).toPrecision(9))),
        },
        { name: 'class', datatype: 'BYTES', shape: [1], data: ['b'] },
      ],
    })
  })

  it('puts binary outputs behind the JSON, in order', () => {
    const { headers, body } = encodeResponse(response, asked({ parameters: { binary_data_output: true } }))
    const length = Number(headers['inference-header-content-length'])
    const head = JSON.parse(body.subarray(0, length).toString()) as { outputs: { parameters: object }[] }
    expect(head.outputs.map(({ parameters }) => parameters)).toEqual([{ binary_data_size: 8 }, { binary_data_size: 5 }])
    expect([...body.subarray(length)]).toEqual([205, 204, 204, 61, 102, 102, 102, 63, 1, 0, 0, 0, 98])
  })

  it('follows each requested output in choice, order and form', () => {
    const outputs = [
      { name: 'class', parameters: {} },
      { name: 'scores', parameters: { binary_data: false } },
    ]
    const { body, headers } = encodeResponse(response, asked({ parameters: { binary_data_output: true }, outputs }))
    const head = JSON.parse(body.subarray(0, Number(headers['inference-header-content-length'])).toString()) as {
      outputs: { name: string; data?: unknown }[]
    }
    expect(head.outputs.map(({ name, data }) => [name, data === undefined])).toEqual([
      ['class', true],
      ['scores', false],
    ])
  })

  it('refuses an output that does not exist', () => {
    expect(() => encodeResponse(response, asked({ outputs: [{ name: 'logits', parameters: {} }] }))).toThrow(
      "there is no output 'logits'; the outputs are scores, class",
    )
  })

  it('writes what JSON cannot, as null', () => {
    const data = new Uint8Array(Float32Array.from([NaN, Infinity]).buffer)
    const { body } = encodeResponse(
      { ...response, outputs: [{ name: 'y', datatype: 'FP32', shape: [2], data }] },
      asked({}),
    )
    expect(JSON.parse(body.toString())).toMatchObject({ outputs: [{ data: [null, null] }] })
  })
})

describe('any bytes', () => {
  const decodedOrRefused = (body: Uint8Array, headerLength?: string) => {
    try {
      decodeRequest(body, headerLength)
    } catch (error) {
      expect(error).toMatchObject({ code: 'INVALID_INPUT' })
    }
  }
  const field = fc.oneof(
    fc.jsonValue({ maxDepth: 2 }),
    fc.constantFrom('BYTES', 'UINT8', 'FP32', [2], [0], [1, 2], [1, 2]),
  )
  const tensor = fc.record(
    { name: field, datatype: field, shape: field, data: field, parameters: field },
    { requiredKeys: [] },
  )

  it('are a request or an invalid one, never another failure', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (body) => decodedOrRefused(body)))
    fc.assert(
      fc.property(fc.array(tensor, { maxLength: 3 }), fc.jsonValue(), (inputs, outputs) =>
        decodedOrRefused(Buffer.from(JSON.stringify({ inputs, outputs }))),
      ),
      { numRuns: 500 },
    )
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), fc.string(), (body, length) => decodedOrRefused(body, length)),
    )
  })

  it('of a binary tensor come back as they were sent', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 9 }), { maxLength: 5 }), (elements) => {
        const output: OutputTensor = { name: 'x', datatype: 'BYTES', shape: [elements.length], data: elements }
        const asked: InferRequest = { id: null, parameters: { binary_data_output: true }, inputs: [], outputs: [] }
        const { body, headers } = encodeResponse(
          { modelName: 'm', modelVersion: '1', id: null, outputs: [output] },
          asked,
        )
        const jsonBytes = Number(headers['inference-header-content-length'])
        const { outputs } = JSON.parse(body.subarray(0, jsonBytes).toString()) as { outputs: object[] }
        const head = Buffer.from(JSON.stringify({ inputs: outputs }))
        const request = decodeRequest(Buffer.concat([head, body.subarray(jsonBytes)]), String(head.length))
        expect((request.inputs[0]!.data as Uint8Array[]).map((one) => [...one])).toEqual(
          elements.map((one) => [...one]),
        )
      }),
    )
  })
})
