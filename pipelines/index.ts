import type { Pipeline } from '../core/pipeline.ts'
import { factory } from './factory/factory.ts'
import type { FactoryPorts } from './factory/ports.ts'

/** Every pipeline there is, by name; a new one is a folder and a line here. */
export const pipelines = (ports: FactoryPorts): Readonly<Record<string, Pipeline>> => ({
  factory: factory(ports),
})
