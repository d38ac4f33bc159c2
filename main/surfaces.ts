import type { Ask, Listener, Surface } from '../bot/surface.ts'
import type { Screen } from '../bot/terminal/screen.ts'
import { TerminalSession } from '../bot/terminal/session.ts'

/** What the bot is made of: where people are, and who is told of what happens. */
export type Surfaces = {
  /** Each is started and stopped with the process; when one ends by itself, so does the process. */
  readonly surfaces: readonly Surface[]
  readonly listeners: readonly Listener[]
}

/** Every surface that this process is configured for. A network is added here and nowhere else. */
export function openSurfaces(screen: Screen, ask: Ask): Surfaces {
  const terminal = new TerminalSession(screen, ask)
  return { surfaces: screen.isInteractive ? [terminal] : [], listeners: [terminal] }
}
