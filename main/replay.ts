import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { z } from 'zod'
import { type Prompt, readPrompt } from '../adapters/asking/prompt.ts'
import { diffLines } from '../bot/diff.ts'
import { sayMoney } from '../bot/phrase.ts'
import type { Invocation } from '../bot/terminal/command-line.ts'
import { exitCodes, refuse } from '../bot/terminal/command-line.ts'
import { harmless } from '../bot/terminal/screen.ts'
import type { Actor } from '../core/model/actor.ts'
import { numberOf } from '../core/model/handle.ts'
import type { Result } from '../core/model/problem.ts'
import { accepted, Fault, refused } from '../core/model/problem.ts'
import type { LanguageModel, ModelAnswer, ModelRequest } from '../core/ports.ts'
import { appendAudit } from '../core/store/audit.ts'
import { readCall } from '../core/store/model-call.ts'
import { reserveServerDay, settleServerDay } from '../core/store/server-day.ts'
import { findRun } from '../core/store/view.ts'
import type { House } from './house.ts'
import { modelOf } from './models.ts'

type Replay = Pick<Invocation, 'screen' | 'json' | 'signal'> & { readonly house: House; readonly actor: Actor }

type Recorded = z.infer<typeof readCall.row>

/**
 * `qp replay <run> [call]`: asks a model once more what a run asked it, with the same parameters, and compares. Nothing of the
 * run changes and its budget pays nothing: the server's day does, and what that does not hold is not asked. For admins.
 */
export async function replay(given: Replay, run: string, call: string): Promise<number> {
  const asked = await prepare(given, run, call)
  if (!asked.ok) return refuse(given, asked)
  const answer = await askAgain(given, asked.value)
  if (!answer.ok) return refuse(given, answer)
  show(given, asked.value.recorded, answer.value)
  return exitCodes.done
}

async function prepare({ house, actor }: Replay, run: string, call: string): Promise<Result<Asked>> {
  if (!actor.roles.includes('admin'))
    return refused('not_allowed', 'Asking a model again needs the role admin.', 'Ask an admin for it.')
  const found = await findCall(house, run, call)
  if (!found.ok) return found
  const { runId, recorded } = found.value
  const request = requestOf(recorded, run)
  if (!request.ok) return request
  const source = house.config.models.find(({ name }) => name === recorded.model)
  if (source) return accepted({ model: await modelOf(source, house.db), request: request.value, recorded, runId })
  const message = `This server has no model ${recorded.model}.`
  return refused('invalid_input', message, 'Name it in QP_MODEL, with its key, and ask again.')
}

type Found = { readonly runId: string; readonly recorded: Recorded }

async function findCall({ db }: House, handle: string, call: string): Promise<Result<Found>> {
  const number = numberOf(handle)
  const [run] = number === null ? [] : await db.run(findRun, { number })
  if (!run) return refused('not_found', `There is no run ${handle}.`, 'See /runs for the latest.')
  const [recorded] = await db.run(readCall, { run: run.id, call: call.toLowerCase() })
  if (recorded) return accepted({ runId: run.id, recorded })
  return refused('not_found', `Run ${handle} has no such call of a model.`, `See /calls ${handle}.`)
}

const question = z.object({
  system: z.string(),
  prompt: z.string(),
  answer: z.record(z.string(), z.json()).nullable(),
})

/** What was asked, where that is still known word for word. */
function requestOf(
  { question: kept, maxOutputTokens, temperature, promptId }: Recorded,
  run: string,
): Result<ModelRequest> {
  if (promptId === null) return ofAgent
  if (kept === null)
    return refused('not_found', `The question is not kept: its digest is all there is.`, `See /calls ${run} --json.`)
  if (kept.isRedacted)
    return refused(
      'invalid_input',
      'A secret was taken out of the question when it was kept: it is not the same any more.',
    )
  const asked = question.safeParse(JSON.parse(kept.text))
  return asked.success ? accepted({ ...asked.data, maxOutputTokens, temperature }) : ofAgent
}

/** Its question is a provider's own, with a conversation in it that only the agent can go on with. */
const ofAgent = refused(
  'invalid_input',
  'An agent asked this, in the middle of its work: it cannot be asked by itself.',
)

type Asked = {
  readonly model: LanguageModel
  readonly request: ModelRequest
  readonly recorded: Recorded
  readonly runId: string
}

async function askAgain({ house, actor, signal }: Replay, asked: Asked): Promise<Result<ModelAnswer>> {
  const { model, request, recorded, runId } = asked
  const { db, config } = house
  const most = model.worstCase(request)
  const { zone, instanceDay } = config.money
  const [held] = await db.run(reserveServerDay, { zone, ...most, ...instanceDay })
  if (!held) {
    const message = `The call may cost ${sayMoney(most.micros)} and ${most.tokens.toLocaleString('en-US')} tokens, which the server’s day does not hold.`
    return refused('not_allowed', message, 'Ask again tomorrow, or raise QP_DAY_USD or QP_DAY_TOKENS.')
  }
  const audit = { actorId: actor.id, action: 'model.replay', runId, correlationId: null, target: `call:${recorded.id}` }
  const detail = { model: model.name, reservedMicros: most.micros }
  await db.transaction((tx) => appendAudit(tx, [{ ...audit, contentSha256: recorded.questionSha256, detail }]))
  const settle = async ({ micros, tokens }: ModelAnswer['used']): Promise<void> => {
    const reserved = { reservedMicros: most.micros, reservedTokens: most.tokens }
    await db.run(settleServerDay, { key: held.key, ...reserved, micros, tokens })
  }
  try {
    const answer = await model.ask(request, signal)
    await settle(answer.used)
    return accepted(answer)
  } catch (error) {
    // Turned away: it cost nothing. Else nobody knows, and it stays set aside until the day is over.
    if (error instanceof Fault && ['RATE_LIMIT', 'PRECONDITION_FAILED', 'VALIDATION_ERROR'].includes(error.code))
      await settle({ micros: 0, tokens: 0 })
    throw error
  }
}

function show({ screen, json }: Replay, recorded: Recorded, { text, used, requestId, isCut }: ModelAnswer): void {
  const sha256 = createHash('sha256').update(text).digest('hex')
  const isSame = sha256 === recorded.answerSha256
  const prompt = promptNews(recorded)
  const before = recorded.answer?.text ?? null
  if (json) {
    const again = { sha256, costMicros: used.micros, requestId, isCut, text }
    const was = { sha256: recorded.answerSha256, outcome: recorded.outcome, text: before }
    return void screen.output.write(
      `${JSON.stringify({ ok: true, call: recorded.id, isSame, prompt, recorded: was, again })}\n`,
    )
  }
  const lines = [
    `Call ${recorded.id.slice(-8)} of ${recorded.step}, ${recorded.model}`,
    ...(prompt === null ? [] : [`! ${prompt}`]),
    `  recorded  ${recorded.answerSha256 ?? `no answer (${recorded.outcome})`}`,
    `  again     ${sha256}  ${sayMoney(used.micros)}${isCut ? ', cut at its longest' : ''}`,
    isSame ? '✓ The same, byte for byte.' : '– Another answer:',
    ...(isSame ? [] : before === null ? text.split('\n') : diffLines(before, text)),
  ]
  screen.print(...lines.map(harmless))
}

/** Whether the words of the prompt are other ones by now: the question is asked with those that were recorded. */
function promptNews({ promptId, promptVersion, promptSha256 }: Recorded): string | null {
  if (promptId === null) return null
  const was = `${promptId}@${promptVersion ?? ''}`
  const now = promptNow(promptId)
  if (now === null) return `The prompt ${was} is no longer there. The question is asked as it was.`
  if (now.fingerprint === promptSha256) return null
  return `The prompt has changed since: ${was} then, ${promptId}@${now.version} now. The question is asked as it was.`
}

/** Whoever asks models has a folder of prompts. */
const askers = ['model-author', 'model-reviewer']

function promptNow(id: string): Prompt | null {
  for (const asker of askers) {
    try {
      return readPrompt(join(import.meta.dirname, '..', 'adapters', asker, 'prompts'), id)
    } catch {
      // It is another asker's, or nobody's any more.
    }
  }
  return null
}
