import { Fault } from '../../core/model/problem.ts'

/** Does what it is asked to, and the first time that it has done each thing the answer is lost. */
export function losing<T extends object>(port: T): T {
  const lost = new Set<string>()
  const entries = Object.entries(port).map(([name, method]: [string, unknown]) => {
    if (typeof method !== 'function') return [name, method]
    const losingOnce = async (...args: unknown[]): Promise<unknown> => {
      const answer: unknown = await (method as (...given: unknown[]) => unknown)(...args)
      if (lost.has(name)) return answer
      lost.add(name)
      throw new Fault({ code: 'TRANSIENT_NETWORK', message: `the answer of ${name} was lost`, retryable: true })
    }
    return [name, losingOnce]
  })
  return Object.fromEntries(entries) as T
}
