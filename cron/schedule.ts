import { auditChain } from './audit-chain.ts'
import { deliveryReconciliation } from './delivery-reconciliation.ts'
import { erasures } from './erasures.ts'
import { gateEscalation } from './gate-escalation.ts'
import { gateReminders } from './gate-reminders.ts'
import { invariants } from './invariants.ts'
import { partitions } from './partitions.ts'
import { retention } from './retention.ts'
import { rollup } from './rollup.ts'
import { stuckSweep } from './stuck-sweep.ts'
import type { Schedule } from './work.ts'

/** All schedules there are. Gates that expire are not among them: every worker's own sweep closes those. */
export const schedules: readonly Schedule[] = [
  gateReminders,
  gateEscalation,
  deliveryReconciliation,
  stuckSweep,
  auditChain,
  erasures,
  rollup,
  partitions,
  retention,
  invariants,
]
