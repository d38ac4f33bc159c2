import type { Pipeline } from '../core/pipeline.ts'
import { factory } from './factory/factory.ts'
import type { FactoryPorts } from './factory/ports.ts'
import type { UndoPorts } from './undo/shapes.ts'
import { undo } from './undo/undo.ts'

/** Every pipeline there is, by name; a new one is a folder and a line here. */
export const pipelines = (ports: FactoryPorts & UndoPorts): Readonly<Record<string, Pipeline>> => ({
  factory: factory(ports),
  undo: undo(ports),
})
