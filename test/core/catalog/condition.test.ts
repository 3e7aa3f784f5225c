import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openTableSession, type TableSession } from '#core/tables'
import { readCondition } from '../../../core/catalog/condition.ts'
import { joinedImages } from '../../../core/catalog/joined.ts'

const digestOf = (digit: string): string => digit.repeat(64)

let session: TableSession

/** Digits of the digests of the images that fit. */
async function fitting(condition: string): Promise<string> {
  const { sql } = await readCondition(condition)
  const rows = await session.query<{ digit: string }>(
    `SELECT left(lower(hex(digest)), 1) AS digit FROM images WHERE ${sql} ORDER BY digit`,
  )
  return rows.map(({ digit }) => digit).join('')
}

const facts = (digit: string, more: object) => ({
  digest: digestOf(digit),
  pack: 'p',
  offset: 0,
  sizeBytes: 1_000,
  width: 32,
  height: 32,
  format: 'jpeg',
  group: digestOf(digit),
  source: `shift-${digit}/img_${digit}%.jpg`,
  uri: null,
  etag: null,
  brightness: 0.5,
  contrast: 0.2,
  blur: null,
  entropy: 6,
  colour: 0.1,
  camera: null,
  takenAt: null,
  ...more,
})

const labels = (digit: string, more: object) => ({
  digest: digestOf(digit),
  split: 'train',
  label: null,
  tags: null,
  attributes: null,
  origin: null,
  humanSeen: false,
  randomDraw: false,
  excluded: null,
  ...more,
})

beforeAll(async () => {
  session = await openTableSession({})
  const { text, texts, integer, number, boolean } = {
    text: 'text',
    texts: 'texts',
    integer: 'integer',
    number: 'number',
    boolean: 'boolean',
  } as const
  const factColumns = {
    ...{ digest: text, pack: text, offset: integer, sizeBytes: integer, width: integer, height: integer, format: text },
    ...{ group: text, source: text, uri: text, etag: text, brightness: number, contrast: number, blur: number },
    ...{ entropy: number, colour: number, camera: text, takenAt: text },
  }
  const labelColumns = {
    ...{ digest: text, split: text, label: text, tags: texts, attributes: text, origin: text },
    ...{ humanSeen: boolean, randomDraw: boolean, excluded: text },
  }
  await session.load('facts', factColumns, [
    facts('a', { blur: 0.7, width: 640, takenAt: '2026-03-01T10:00:00' }),
    facts('b', { blur: 0.1, camera: 'Canon EOS' }),
    facts('c', { blur: 0.45, group: digestOf('b') }),
    facts('d', {}),
  ])
  await session.load('labels', labelColumns, [
    labels('a', { label: 'scratch', humanSeen: true, origin: 'human', tags: ['night', 'wet'] }),
    labels('b', { label: 'scratch', split: 'test', attributes: '{"line":"3","speed":1.5,"ok":true}' }),
    labels('c', { label: "it's", excluded: 'broken', attributes: '{"speed":20,"a/b~c":"x"}' }),
    labels('d', { randomDraw: true, tags: ['wet'] }),
  ])
  await session.load('boxes', { digest: text, class: text }, [
    { digest: digestOf('a'), class: 'dent' },
    { digest: digestOf('a'), class: 'crack' },
  ])
  await session.run(`CREATE TABLE images AS ${joinedImages()}`)
})

afterAll(() => session.close())

describe('conditions', () => {
  it.each([
    ["label = 'scratch' and blur > 0.4 and split = 'train'", 'a'],
    ['blur between 0.4 and 0.8', 'ac'],
    ['blur not between 0.4 and 0.8', 'b'],
    ['blur is null or not (blur < 0.5)', 'ad'],
    ["label in ('scratch', 'dent')", 'ab'],
    ["label not in ('scratch')", 'c'],
    ["label = 'it''s' -- a remark", 'c'],
    ["label is distinct from 'scratch'", 'cd'],
    ['humanSeen', 'a'],
    ['humanSeen = false and randomDraw is not null', 'bcd'],
    ['HUMANSEEN and Width > 600', 'a'],
    ["'wet' in tags", 'ad'],
    ["not 'wet' in tags", 'bc'],
    ["list_contains(tags, 'night')", 'a'],
    ['length(tags) = 2', 'a'],
    ['tags is null', 'bc'],
    ["boxes >= 2 and 'crack' in boxClasses", 'a'],
    ['attributes.speed > 3', 'c'],
    ["attributes.line = '3' and attributes.line = 3", 'b'],
    ['attributes.ok', 'b'],
    [`attributes."a/b~c" = 'x'`, 'c'],
    ['attributes.nothing is null', 'abcd'],
    ["source like 'shift-_/%'", 'abcd'],
    ["source like '%shift%img%a%.jpg'", 'a'],
    ["source not like '%img%A%\\.jpg%'", 'abcd'],
    ["source ilike '%SHIFT-b%IMG%.%'", 'b'],
    ["regexp_matches(source, 'img_[ab]')", 'ab'],
    ["contains(lower(camera), 'canon') or starts_with(source, 'shift-d')", 'bd'],
    ["takenAt >= '2026-01' and takenAt < '2027'", 'a'],
    ['width * height > 1024', 'a'],
    ['width / height = 20', 'a'],
    ['width % 33 = -1 + 14 or -blur > -0.2', 'ab'],
    ['coalesce(blur, 1) > 0.6', 'ad'],
    ['greatest(width, height) = 640', 'a'],
    ['round(blur) = 1 and abs(blur) = 0.7', 'a'],
    [`digest = '${digestOf('c')}'`, 'c'],
    [`digest in ('${digestOf('c')}', '${digestOf('d')}')`, 'cd'],
    [`digest <> '${digestOf('c')}'`, 'abd'],
    ["digest like 'b%'", 'b'],
    [`"group" = '${digestOf('b')}'`, 'bc'],
    ['"group" <> digest', 'c'],
    ['width > 1e1 and sizeBytes < 123456789012345678901234', 'abcd'],
    ["excluded = 'broken'", 'c'],
    ['true', 'abcd'],
    ['null', ''],
  ])('%s', async (condition, digits) => {
    expect(await fitting(condition)).toBe(digits)
  })

  it('mean the same, written differently', async () => {
    const [one, other] = await Promise.all([readCondition("(LABEL='x')"), readCondition("label   = 'x' -- why")])
    expect(one.sql).toBe(other.sql)
  })
})

describe('what is no condition is refused, with its place', () => {
  it.each([
    ['', /does not hold up: it ends too early/],
    ['blur >', /does not hold up: it ends too early/],
    ['blur > ) 3', /at character 8: syntax error/],
    ['blurr > 0.4', /at character 1: there is no column blurr/],
    ['split = train', /at character 9: there is no column train; write 'train' if it is a text/],
    ['ärger > 1', /at character 1/],
    ["label = 'ä' and nothing", /at character 17: there is no column nothing/],
    ["blur > 'much'", /at character 8: 'much' is text where a number belongs/],
    ['blur < 1e999', /a number is too large/],
    ['label > 3', /\(3\) is a number where text belongs/],
    ['blur', /blur is a number where true or false belongs/],
    ['blur and true', /blur is a number where true or false belongs/],
    ["tags = 'wet'", /tags is a list; ask 'x' in tags/],
    ['label in (blur)', /a number where text belongs/],
    ["list_contains(label, 'x')", /label is no list/],
    ["regexp_matches(label, '(')", /no regular expression/],
    ['regexp_matches(label, source)', /must be a text in single quotes/],
    [`label like '${'x'.repeat(201)}'`, /200 characters at most/],
    ['lower(label, source)', /lower takes 1 values/],
    ['a.b.c = 1', /no column a\.b\.c/],
    ['images.label = 1', /no column images\.label/],
    ['x'.repeat(4_001), /4001 characters, 4000 are allowed/],
    [`blur > 1${' or blur > 1'.repeat(200)}`, /more than 500 parts/],
    [`${'not ('.repeat(60)}true${')'.repeat(60)}`, /nested more than 50 deep/],
    [`${'lower('.repeat(100)}label${')'.repeat(100)} = 'x'`, /nested more than 50 deep/],
  ])('%s', async (condition, message) => {
    await expect(readCondition(condition)).rejects.toMatchObject({
      code: 'INVALID_INPUT',
      message: expect.stringMatching(message) as string,
    })
  })

  it.each([
    'blur > (select max(blur) from images)',
    'exists (select 1)',
    'label in (select label from images)',
    'blur = any([1])',
    'label = any(tags)',
    "true) or (select content from read_text('/etc/passwd')) = ('x'",
    '1), (2',
    'true) from (select 1',
    'true) from images where (true',
    'true) union select (true',
    'true) order by (1',
    'true) limit (1',
    'true; drop table images',
    'true); drop table images; --',
    'true); select (true',
    "getenv('HOME') = 'x'",
    "read_text('/etc/passwd') is null",
    "current_setting('home_directory') = 'x'",
    'random() > 0.5',
    "nextval('s') = 1",
    'count(*) > 1',
    'sum(blur) over () > 1',
    'max(blur) filter (where true) > 1',
    "system.main.lower(label) = 'x'",
    "lower(distinct label) = 'x'",
    'label::int > 1',
    "cast(label as date) = '2026-01-01'",
    "try_cast('t' as boolean)",
    "case when true then label end = 'x'",
    'label = $1',
    'label = ?',
    'label = $name',
    '*',
    "columns('x') = 1",
    'images.*',
    "tags[1] = 'wet'",
    "struct_pack(a := 1) = 'x'",
    "list_filter(tags, x -> x = 'wet') is null",
    '[label] = tags',
    "{'a': 1} is null",
    'row(1, 2) = row(1, 2)',
    "label collate nocase = 'x'",
    "takenAt > date '2026-01-01'",
    "label = 'x' at time zone 'utc'",
    "interval '1' day is null",
    "'\\x00'::blob is null",
    "label similar to 'x'",
    "label like 'x' escape '!'",
    "label glob '*'",
    "attributes->>'line' = '3'",
    "attributes = '{}'",
    'attributes.a.b = 1',
    'pack is null',
    'rowid = 1',
    '"row" = 1',
    'look is null',
    "constructor('x') = 'y'",
    "toString(label) = 'x'",
    '__proto__ = 1',
  ])('%s', async (condition) => {
    await expect(readCondition(condition)).rejects.toMatchObject({ code: 'INVALID_INPUT' })
  })

  it('what is accepted runs on every row, whatever it holds', async () => {
    const { text, number, truth } = fc.letrec<{ text: string; number: string; truth: string }>((tie) => ({
      text: fc.oneof(
        { depthSize: 'small', withCrossShrink: true },
        fc.constantFrom("'dent'", "'7'", "''", "'it''s'", 'null', 'label', 'source', 'camera', 'takenAt', 'digest'),
        fc.constantFrom('attributes.line', 'attributes.speed', 'attributes."a/b~c"', '"group"', 'excluded'),
        tie('text').map((value) => `lower(${value})`),
        fc.tuple(tie('text'), tie('text')).map(([a, b]) => `coalesce(${a}, ${b})`),
      ),
      number: fc.oneof(
        { depthSize: 'small', withCrossShrink: true },
        fc.constantFrom('0', '-1', '0.4', '1e300', '99999999999999999999999', 'blur', 'width', 'boxes', 'sizeBytes'),
        fc.constantFrom('attributes.speed', 'attributes.line', 'length(source)', 'length(tags)', 'null'),
        fc
          .tuple(tie('number'), fc.constantFrom('+', '-', '*', '/', '%'), tie('number'))
          .map(([a, sign, b]) => `(${a} ${sign} ${b})`),
        fc.tuple(fc.constantFrom('abs', 'floor', 'ceil', 'round', '-'), tie('number')).map(([f, a]) => `${f}(${a})`),
      ),
      truth: fc.oneof(
        { depthSize: 'small', withCrossShrink: true },
        fc.constantFrom('true', 'humanSeen', "'wet' in tags", 'attributes.ok', 'tags is null', 'null'),
        fc
          .tuple(tie('number'), fc.constantFrom('=', '<', '>=', '<>', 'is distinct from'), tie('number'))
          .map((parts) => parts.join(' ')),
        fc
          .tuple(tie('text'), fc.constantFrom('=', '<', '<>', 'like', 'not ilike'), tie('text'))
          .map((p) => p.join(' ')),
        fc.tuple(tie('text'), fc.constantFrom('%a%b%c%', 'a_', '(', '\\', '%')).map(([a, b]) => `${a} like '${b}'`),
        fc.tuple(tie('text'), tie('text'), tie('text')).map(([a, b, c]) => `${a} in (${b}, ${c})`),
        fc.tuple(tie('number'), tie('number'), tie('number')).map(([a, b, c]) => `${a} between ${b} and ${c}`),
        fc.tuple(tie('truth'), fc.constantFrom('and', 'or'), tie('truth')).map(([a, sign, b]) => `(${a} ${sign} ${b})`),
        tie('truth').map((condition) => `not (${condition})`),
      ),
    }))
    let accepted = 0
    await fc.assert(
      fc.asyncProperty(fc.oneof({ weight: 8, arbitrary: truth }, text, number), async (condition) => {
        const read = await readCondition(condition).catch((error: unknown) => {
          expect(error).toMatchObject({ code: 'INVALID_INPUT' })
          return null
        })
        if (!read) return
        accepted += 1
        await session.query(`SELECT count(*) FROM images WHERE ${read.sql}`)
      }),
      { numRuns: 1_000 },
    )
    expect(accepted).toBeGreaterThan(300)
  })

  it('whatever is sent, what runs is made of known parts, or nothing runs', async () => {
    const words = [
      'label',
      'blur',
      'tags',
      "'x'",
      '0.5',
      '(',
      ')',
      'and',
      'or',
      'not',
      '=',
      '<',
      'in',
      ',',
      'like',
      'is',
    ]
    const hostile = [
      'null',
      '--',
      '/*',
      ';',
      '$1',
      '::',
      'select',
      'from images',
      '[',
      ']',
      '*',
      '\u0000',
      "'",
      '"',
      '\\',
    ]
    const condition = fc
      .array(fc.oneof(fc.constantFrom(...words), fc.constantFrom(...hostile), fc.string({ maxLength: 4 })), {
        maxLength: 14,
      })
      .map((parts) => parts.join(' '))
    await fc.assert(
      fc.asyncProperty(condition, async (text) => {
        const read = await readCondition(text).catch((error: unknown) => {
          expect(error).toMatchObject({ code: 'INVALID_INPUT' })
          return null
        })
        if (read) await session.query(`SELECT count(*) FROM images WHERE ${read.sql}`)
      }),
      { numRuns: 2_000 },
    )
  })
})
