import type { TakenBack } from '../../core/model/undo.ts'
import type { StepContext, StepKind } from '../../core/pipeline.ts'
import { sayEffect, takenBackOutput, undoInput } from './shapes.ts'

/** Last step: what became of each effect, as a table that stays. */
export const sumUp: StepKind = {
  timeoutMs: 60_000,
  retry: 'io',
  onPause: 'finish',
  run: async (ctx) => {
    const { undoes } = undoInput.parse(ctx.input)
    const rows = await rowsOf(ctx)
    const failed = rows.filter(({ outcome }) => outcome === 'failed').length
    const text = [
      `# Undo of run ${undoes.handle}`,
      '',
      `By run ${ctx.handle}, newest first.`,
      '',
      '| effect | result | |',
      '| --- | --- | --- |',
      ...rows.map(({ what, outcome, says }) => `| ${cell(what)} | ${outcome} | ${cell(says)} |`),
      '',
      ...(failed > 0 ? [`What failed is tried again by \`/undo ${undoes.handle}\` once its cause is gone.`, ''] : []),
    ].join('\n')
    const artifact = await ctx.save('undo.md', new TextEncoder().encode(text), 'text/markdown')
    return { kind: 'done', output: { failed }, artifacts: [artifact] }
  },
}

async function rowsOf(ctx: StepContext): Promise<readonly TakenBack[]> {
  const { effects } = undoInput.parse(ctx.input).undoes
  return await Promise.all(
    effects.map(async (effect, at) => {
      const done = await ctx.findOutput(`effect-${at + 1}`, takenBackOutput)
      return done?.takenBack ?? { what: sayEffect(effect), outcome: 'failed', says: effect.undo }
    }),
  )
}

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll(/\s+/g, ' ')
