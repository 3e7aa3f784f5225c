export function buildSupervisor(options?: { arch?: string; env?: NodeJS.ProcessEnv }): Promise<string>
