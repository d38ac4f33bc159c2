import type { Pipeline } from '../../core/pipeline.ts'
import type { Plan } from '../../core/model/plan.ts'
import { undoLock } from '../../core/model/undo.ts'
import { revertBlock } from './block.ts'
import { clearLabel } from './label.ts'
import { mergeRevert } from './merge.ts'
import { offerRevert, removeOffer } from './offer.ts'
import { findRevert } from './revert.ts'
import { mergesOf, sayEffect, type UndoInput, type UndoPorts, undoInput } from './shapes.ts'
import { showRevert } from './show.ts'
import { sumUp } from './sum-up.ts'
import { takeBack } from './take-back.ts'

/**
 * Takes back what a run did outside: its merges by one commit that people decide about, then all else, newest first, each
 * in a step of its own.
 */
export const undo = (ports: UndoPorts): Pipeline<UndoInput> => ({
  name: 'undo',
  version: 1,
  says: 'takes back what another run did outside',
  input: undoInput,
  plan,
  lockKey: ({ undoes }) => undoLock(undoes.run),
  whenLocked: 'refuse',
  project: () => null,
  deadlineMs: null,
  // No model is asked.
  cap: { micros: 0, tokens: 0 },
  steps: {
    label: clearLabel(ports),
    revert: findRevert(ports),
    offer: offerRevert(ports),
    show: showRevert(ports),
    merge: mergeRevert(ports),
    'take-back': takeBack(ports),
    'sum-up': sumUp,
    'remove-offer': removeOffer(ports),
  },
  cleanUp: { type: 'step', id: 'clean-up', kind: 'remove-offer', title: 'cleaning up' },
})

function plan({ undoes, label }: UndoInput): Plan {
  return [
    ...(label ? ([{ type: 'step', id: 'label', kind: 'label', title: 'answering the label' }] as const) : []),
    ...(mergesOf(undoes.effects).length > 0 ? revertBlock(undoes.policy) : []),
    ...undoes.effects.map(
      (effect, at) =>
        ({
          type: 'step',
          id: `effect-${at + 1}`,
          kind: 'take-back',
          title: `taking back: ${sayEffect(effect)}`,
          input: { key: effect.key },
        }) as const,
    ),
    { type: 'step', id: 'sum-up', kind: 'sum-up', title: 'summing up' },
  ]
}
