import type { StepKind } from '../../../core/pipeline.ts'
import { awaitChecks } from './checks.ts'
import { awaitDocumentChecks, mergeDocuments } from './documents.ts'
import { implement } from './implement.ts'
import { openIssues } from './issues.ts'
import { mergeMilestone } from './merge.ts'
import { planMilestone, planMilestones } from './plan.ts'
import { publishChange } from './publish.ts'
import { reviewChange } from './review.ts'
import { showChange } from './show.ts'
import type { MilestonePorts } from './shapes.ts'
import { showSpecial } from './special.ts'
import { testChange } from './test.ts'

/** The kinds of steps between the documents' branch and merged code. */
export const milestoneSteps = (ports: MilestonePorts): Readonly<Record<string, StepKind>> => ({
  milestones: planMilestones(ports.workshop),
  'docs-checks': awaitDocumentChecks(ports),
  'docs-merge': mergeDocuments(ports),
  'milestone-plan': planMilestone(ports),
  'milestone-implement': implement(ports),
  'milestone-test': testChange(ports),
  'milestone-review': reviewChange(ports),
  'milestone-publish': publishChange(ports),
  'milestone-checks': awaitChecks(ports),
  'milestone-show': showChange(ports),
  'milestone-special': showSpecial(ports),
  'milestone-merge': mergeMilestone(ports),
  'milestone-issues': openIssues(ports),
})
