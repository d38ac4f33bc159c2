import { costlyPrompt } from '../../core/model/money-request.ts'
import type { DecisionRecord, WrittenDocument } from '../../core/ports.ts'
import { code, inline } from './markdown.ts'
import { page, type PageSection } from './page.ts'
import { cite, type Study } from './study.ts'

/** 80_adrs: two decisions that hold for every run, then one record for each gate decision. */
export function adrsPage(study: Study): WrittenDocument {
  const lead = 'A record is never edited once accepted; a later one supersedes it and says so.'
  const sections = [reviewedBranch(study), readmeIsSpecification(study), ...study.decisions.map(gateDecision)]
  return page(study, '80_adrs', lead, sections.map(numbered))
}

type Record = {
  readonly title: string
  readonly context: string
  readonly decision: string
  readonly consequences: string
}

function numbered({ title, context, decision, consequences }: Record, index: number): PageSection {
  return {
    heading: `ADR-${String(index + 1).padStart(4, '0')} — ${title}`,
    blocks: ['### Context', context, '### Decision', decision, '### Consequences', consequences],
  }
}

function reviewedBranch({ request }: Study): Record {
  return {
    title: 'Changes arrive by reviewed branch',
    context: `Documents and code for ${inline(request.project.name)} are written by a machine from commit ${code(request.project.commit.slice(0, 12))} of ${code(request.project.branch)}.`,
    decision:
      'Every change stands on a branch of its own, as a pull request where the host has them, and is merged after a person has approved its exact bytes. Nothing is written to the default branch directly.',
    consequences:
      'The default branch never holds what nobody approved. Work waits for a person, and a conflict with newer commits must be resolved before merging.',
  }
}

function readmeIsSpecification(study: Study): Record {
  return {
    title: 'The README is the specification',
    context: `${cite(study, 1)} and what follows it is the only text these documents were written from.`,
    decision:
      'What the README says is quoted with its line. What it does not say stays an open question until a person answers it, at a gate or by a change of the README.',
    consequences:
      'The documents can be checked against the README, statement by statement. A thin README gives thin documents and many questions.',
  }
}

const verdicts = { approved: 'Approved', rejected: 'Rejected', changes_requested: 'Changes requested' } as const

function gateDecision({
  gate,
  verdict,
  artifact,
  sha256,
  role,
  pseudonym,
  decidedOn,
  comment,
}: DecisionRecord): Record {
  return {
    title: `${verdicts[verdict]} at gate ${inline(gate)}`,
    context: `On ${decidedOn} the gate ${code(gate)} showed ${code(artifact)} with sha256 ${code(sha256.slice(0, 12))}.`,
    decision: `${verdicts[verdict]} by ${code(pseudonym)} as ${inline(role)}.${comment === null ? ' No comment was given.' : ` Comment: “${inline(comment)}”.`}`,
    consequences: isMoney(gate) ? goesOn : consequence(verdict, artifact),
  }
}

const isMoney = (gate: string): boolean => gate === 'budget' || gate === costlyPrompt

const goesOn = 'The run goes on with what was granted; more needs a decision of its own.'

function consequence(verdict: DecisionRecord['verdict'], artifact: string): string {
  switch (verdict) {
    case 'approved':
      return `These bytes of ${code(artifact)} are what the run goes on with; other bytes need a decision of their own.`
    case 'rejected':
      return `The run ends without using ${code(artifact)}.`
    case 'changes_requested':
      return `${code(artifact)} was written again with the comment as input, and the gate asked anew.`
  }
}
