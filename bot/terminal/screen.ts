import type { ReadStream, WriteStream } from 'node:tty'
import { wrap } from './wrap.ts'

/** What the terminal can do, and the few ways we write to it. Colour only where it is wanted. */
export type ScreenOptions = {
  readonly out: NodeJS.WriteStream | WriteStream
  readonly input: NodeJS.ReadStream | ReadStream
  readonly colour: boolean
}

const codes = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, cyan: 36 } as const

export type Colour = keyof typeof codes

/** A terminal or a pipe. On a terminal one live line is redrawn in place; on a pipe each change is a line. */
export class Screen {
  readonly #options: ScreenOptions
  #live = ''

  constructor(options: ScreenOptions) {
    this.#options = options
  }

  get isInteractive(): boolean {
    return this.#options.input.isTTY && this.#options.out.isTTY
  }

  get input(): NodeJS.ReadStream | ReadStream {
    return this.#options.input
  }

  get output(): NodeJS.WriteStream | WriteStream {
    return this.#options.out
  }

  paint(text: string, colour: Colour): string {
    return this.#options.colour ? `\u001b[${codes[colour]}m${text}\u001b[0m` : text
  }

  /** Lines that stay; the live line goes below them again when it changes next. */
  print(...lines: readonly string[]): void {
    this.#clearLive()
    for (const line of lines) this.#options.out.write(`${this.#dress(this.#fit(line))}\n`)
  }

  /** On a terminal no word is cut at its edge; what goes through a pipe stays as it is. */
  #fit(text: string): string {
    const { isTTY, columns } = this.#options.out
    if (!isTTY || !columns) return text
    return text
      .split('\n')
      .flatMap((line) => wrap(line, columns))
      .join('\n')
  }

  /** The one line that is redrawn. On a pipe it is printed when `key`, what it tells, has changed. */
  live(text: string, key: string): void {
    if (!this.#options.out.isTTY) {
      if (key !== this.#live) this.#options.out.write(`${text}\n`)
      this.#live = key
      return
    }
    const width = (this.#options.out.columns ?? 80) - 1
    this.#options.out.write(`\r\u001b[2K${text.slice(0, width)}`)
    this.#live = text
  }

  /** Leaves the live line as it is and goes below it. */
  settle(): void {
    if (this.#options.out.isTTY && this.#live !== '') this.#options.out.write('\n')
    this.#live = ''
  }

  #clearLive(): void {
    if (this.#options.out.isTTY && this.#live !== '') this.#options.out.write('\r\u001b[2K')
    if (this.#options.out.isTTY) this.#live = ''
  }

  /** The leading glyph decides: people see at a glance what the words say anyway. */
  #dress(line: string): string {
    const glyph = line.trimStart()[0] ?? ''
    const colour = glyphColours[glyph]
    return colour ? this.paint(line, colour) : line
  }
}

const glyphColours: Readonly<Record<string, Colour>> = {
  '✓': 'green',
  '✗': 'red',
  '●': 'yellow',
  '!': 'yellow',
  '–': 'dim',
}

/**
 * Text from repositories and people may hold escape sequences that move the cursor or rewrite what a person reads;
 * only tabs and line ends pass.
 */
export const harmless = (text: string): string =>
  text.replaceAll(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, '�')
