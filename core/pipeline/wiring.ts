/**
 * What an input may be written as, and what the compiler says where it is written wrong: the type of the field becomes
 * the sentence, as in `Type 'Ref<…>' is not assignable to type '"embeddings takes embeddings, not dataset-version"'`.
 */

import type { Table } from '#core/steps'
import type { RefOf } from './ref.ts'

/** What a step's input may be written as: values, references, or structures that mix the two. */
export type Wired<T> =
  | T
  | RefOf<T>
  | (T extends readonly (infer E)[]
      ? readonly Wired<E>[]
      : T extends object
        ? { readonly [K in keyof T]: Wired<T[K]> }
        : never)

/** `Given` where it is a right way to write a `Wanted`, else the same structure with sentences in place of what is wrong. */
export type Fitting<Wanted, Given> = Given extends Fit<Wanted, Given, ''> ? Given : Fit<Wanted, Given, ''>

/** `Given` where it is something to map over, else a sentence. */
export type FittingOver<Given> = [ItemOf<Given>] extends [never]
  ? `over takes a list, or a reference to a list or a table, not ${SortOf<Given>}`
  : Given

/** One item of a list, of a reference to a list, or of a reference to a table. */
export type ItemOf<Over> =
  Over extends RefOf<infer V>
    ? V extends Table<infer Row>
      ? Row
      : V extends readonly (infer E)[]
        ? E
        : never
    : Over extends readonly (infer E)[]
      ? E extends RefOf<infer V>
        ? V
        : E
      : never

type Fit<Wanted, Given, Path extends string> =
  Given extends RefOf<unknown>
    ? [Given] extends [RefOf<Wanted>]
      ? Given
      : Wrong<Wanted, Given, Path>
    : Present<Wanted> extends readonly (infer E)[]
      ? Given extends readonly unknown[]
        ? { readonly [I in keyof Given]: Fit<E, Given[I], `${Path}[${I & string}]`> }
        : Whole<Wanted, Given, Path>
      : HasFields<Present<Wanted>, Given> extends true
        ? Fields<Present<Wanted>, Given, Path extends '' ? '' : `${Path}.`>
        : Whole<Wanted, Given, Path>

type Whole<Wanted, Given, Path extends string> = [Given] extends [Wired<Wanted>] ? Given : Wrong<Wanted, Given, Path>

type Fields<Wanted, Given, Prefix extends string> = {
  readonly [K in keyof Wanted]: K extends keyof Given
    ? Fit<Wanted[K], Given[K], `${Prefix}${K & string}`>
    : Wired<Wanted[K]>
} & { readonly [K in Exclude<keyof Given, keyof Wanted>]: `there is no input ${Prefix}${K & string}` }

/** Whether both are objects whose fields can be compared one by one: no unions, no records of any keys. */
type HasFields<Wanted, Given> = [Wanted, Given] extends [object, object]
  ? IsUnion<Wanted> extends true
    ? false
    : string extends keyof Wanted
      ? false
      : true
  : false

type IsUnion<T, Whole = T> = T extends unknown ? ([Whole] extends [T] ? false : true) : never
type Present<T> = Exclude<T, undefined | null>

type Wrong<
  Wanted,
  Given,
  Path extends string,
> = `${Path extends '' ? 'the input' : Path} takes ${SortWith<Wanted, Lacking<Wanted, Valued<Given>>>}, not ${SortOf<Given>}`

type SortWith<T, Field extends string> = [Field] extends [never] ? Sort<T> : `${Sort<T>} with ${Field}`

/** Names of the fields that tell two objects apart, or the rows of two tables. */
type Lacking<Wanted, Given> =
  Wanted extends Table<infer A>
    ? Given extends Table<infer B>
      ? Lacking<A, B>
      : never
    : [Sort<Wanted>, Sort<Given>] extends ['an object', 'an object']
      ? Exclude<keyof Wanted, keyof Given> & string
      : never

type Valued<Given> = Given extends RefOf<infer V> ? V : Given

type SortOf<Given> = Sort<Valued<Given>>

/** What people call values of this type: an artifact by its kind, a choice by its text. */
type Sort<T> = unknown extends T
  ? 'anything'
  : T extends Table<infer Row>
    ? `a table of ${Sort<Row>}`
    : T extends { readonly kind: infer K extends string }
      ? K
      : T extends { readonly sha256: string; readonly sizeBytes: number }
        ? 'a blob'
        : T extends readonly (infer E)[]
          ? `a list of ${Sort<E>}`
          : T extends object
            ? 'an object'
            : SortOfScalar<T>

type SortOfScalar<T> = T extends string
  ? Named<T, string, 'a text', `'${T}'`>
  : T extends number
    ? Named<T, number, 'a number', `${T}`>
    : T extends boolean
      ? 'a boolean'
      : T extends null
        ? 'null'
        : never

type Named<T, Every, Name extends string, Literal extends string> = Every extends T ? Name : Literal
