export interface Role {
  readonly title: string
  readonly entries: readonly string[]
  readonly leftOut: readonly string[]
  readonly emptied?: readonly string[]
  readonly command: readonly string[]
}
export const roles: Readonly<Record<string, Role>>
export const USER: { readonly id: number; readonly name: string }
export const APP: string
