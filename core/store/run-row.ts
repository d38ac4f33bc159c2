import { z } from 'zod'
import type { Json } from '../model/json.ts'
import type { Plan } from '../model/plan.ts'
import { roles } from '../model/plan.ts'
import type { Run } from '../model/run.ts'

export const json: z.ZodType<Json> = z.json()

export const runStates = [
  'queued',
  'running',
  'waiting',
  'paused',
  'succeeded',
  'failed',
  'rejected',
  'cancelled',
] as const

const condition = z.object({ step: z.string(), verdict: z.union([z.string(), z.array(z.string())]) })

const roleNames = z.array(z.enum(roles as [(typeof roles)[number], ...(typeof roles)[number][]]))

export const gatePolicy = z.object({
  roles: roleNames,
  quorum: z.number(),
  selfApproval: z.boolean(),
  expiresAfterMs: z.number().nullable(),
  remindEveryMs: z.number().nullable(),
  people: z.array(z.string()).optional(),
  escalation: z.object({ afterMs: z.number(), roles: roleNames }).optional(),
  sources: z.object({ file: z.string().nullable(), server: z.string().nullable() }).optional(),
})

const planItem = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('step'),
    id: z.string(),
    kind: z.string(),
    title: z.string(),
    input: json.optional(),
    when: condition.optional(),
  }),
  z.object({
    type: z.literal('gate'),
    id: z.string(),
    name: z.string(),
    title: z.string(),
    judges: z.string(),
    reworks: z.string().optional(),
    policy: gatePolicy,
    when: condition.optional(),
  }),
])

export const plan = z.array(planItem) as unknown as z.ZodType<Plan>

const resume = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('time') }),
  z.object({ kind: z.literal('timeout') }),
  z.object({ kind: z.literal('resumed') }),
  z.object({ kind: z.literal('signal'), id: z.string(), name: z.string(), payload: json }),
  z.object({
    kind: z.literal('children'),
    results: z.array(z.object({ runId: z.string(), state: z.string(), reason: z.string().nullable() })),
  }),
])

/** A run's row joined to its plan, as every statement that returns runs selects it. */
export const runRow = z.object({
  id: z.string(),
  number: z.number(),
  pipeline: z.string(),
  pipelineVersion: z.number(),
  projectId: z.string().nullable(),
  startedBy: z.string(),
  correlationId: z.string(),
  parentId: z.string().nullable(),
  state: z.string(),
  waitingFor: z.string().nullable(),
  waitingName: z.string().nullable(),
  pausedFrom: z.string().nullable(),
  ending: z.string(),
  reasonCode: z.string().nullable(),
  reason: z.string().nullable(),
  interrupt: z.string().nullable(),
  planVersion: z.number(),
  position: z.number(),
  attempt: z.number(),
  failures: z.number(),
  verdicts: z.record(z.string(), z.string()),
  resume: resume.nullable(),
  fence: z.number(),
  version: z.number(),
  eventSeq: z.number(),
  priority: z.number(),
  lockKey: z.string().nullable(),
  lockState: z.string().nullable(),
  signalsPending: z.number(),
  deaths: z.number(),
  deathsAlone: z.number(),
  alone: z.boolean(),
  deadlineInMs: z.number().nullable(),
  dueInMs: z.number().nullable(),
  input: json,
  plan,
}) as unknown as z.ZodType<Run>

/** The select list for `runRow`, from `app.runs r join app.plans p`. */
export const runColumns = `r.id, r.number, r.pipeline, r.pipeline_version, r.project_id, r.started_by, r.correlation_id,
  r.parent_id, r.state, r.waiting_for, r.waiting_name, r.paused_from, r.ending, r.reason_code, r.reason, r.interrupt,
  r.plan_version, r.position, r.attempt, r.failures, r.verdicts, r.resume, r.fence, r.version, r.event_seq, r.priority,
  r.lock_key, r.lock_state, r.signals_pending, r.deaths, r.deaths_alone, r.alone,
  (extract(epoch from r.deadline_at - app.clock_now()) * 1000)::float8 as deadline_in_ms,
  (extract(epoch from r.due_at - app.clock_now()) * 1000)::float8 as due_in_ms,
  p.input, p.steps as plan`
