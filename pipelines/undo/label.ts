import { z } from 'zod'
import type { StepContext, StepKind } from '../../core/pipeline.ts'
import { type UndoPorts, undoInput } from './shapes.ts'

/** Answers whoever put the label: says on the pull request what happens, and takes the label off. */
export const clearLabel = ({ codeHost, labels }: UndoPorts): StepKind => ({
  timeoutMs: 60_000,
  retry: 'io',
  onPause: 'finish',
  run: async (ctx) => {
    const { label, undoes } = undoInput.parse(ctx.input)
    if (!label || !codeHost || !labels) return { kind: 'done', output: null }
    const { address, number, name } = label
    const body = `Run ${ctx.handle} prepares the revert of this merge of run ${undoes.handle}. Nothing changes on the branch before somebody has decided at its gate \`undo\`.`
    await say(ctx, { address, number, what: 'comment', undo: `remove the comment about run ${ctx.handle}` }, (key) =>
      codeHost.comment({ address, number, body, key }, ctx.signal),
    )
    await say(ctx, { address, number, what: 'label_removed', undo: `put the label ${name} on again` }, () =>
      labels.removeLabel({ address, number, name }, ctx.signal),
    )
    return { kind: 'done', output: null }
  },
})

type Saying = { readonly address: string; readonly number: number; readonly what: string; readonly undo: string }

const say = (ctx: StepContext, { address, number, what, undo }: Saying, make: (key: string) => Promise<void>) =>
  ctx.effect({
    name: what,
    kind: what,
    target: { address, pullRequest: number },
    undo,
    reversal: 'irreversible',
    // Both may be repeated: the comment is found by its key, the label by its name.
    find: () => Promise.resolve(null),
    make: async (key) => {
      await make(key)
      return null
    },
    result: z.null(),
  })
