/** What the server answers where it does nothing. */
export class Refused extends Error {
  readonly status: number
  readonly more: Readonly<Record<string, unknown>>

  constructor(status: number, description: string, more: Readonly<Record<string, unknown>> = {}) {
    super(description)
    this.status = status
    this.more = more
  }
}
