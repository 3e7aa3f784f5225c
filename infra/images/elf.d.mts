export function withoutSymbols(file: string): { head: Buffer; sizeBytes: number } | null
export function librariesOf(file: string): string[]
