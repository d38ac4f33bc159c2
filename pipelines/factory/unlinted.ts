import { counted } from '../../core/model/counted.ts'
import type { StepContext } from '../../core/pipeline.ts'
import { type WritingOutput, writingOutput } from './shapes.ts'

/** What people are told of documents that do not pass the lint, where the project lets them; nothing of others. */
export const sayUnlinted = (what: string, { unlinted }: Pick<WritingOutput, 'unlinted'>): readonly string[] =>
  unlinted.length === 0 ? [] : [`The lint has ${counted(unlinted.length, 'error')} in ${what}, first: ${unlinted[0]}`]

/** The same of all twelve, as they were judged together. */
export const sayAllUnlinted = async (ctx: StepContext): Promise<readonly string[]> =>
  sayUnlinted('the documents', await ctx.outputOf('suite', writingOutput))
