import type { Circuit, RateGate } from '../../core/ports.ts'

/** What every worker knows of one model's provider: whether it is down, and whether it wants calls. */
export type Guards = { readonly circuit: Circuit; readonly gate: RateGate }
