/** One of the twelve documents: its front matter id, its path in the target repository, and the headings it must have. */
export type DocumentKind = {
  readonly id: string
  readonly path: string
  readonly title: string
  /** Level-two headings, in order. A pattern stands for "one or more headings of this form". */
  readonly sections: readonly (
    | string
    | { readonly pattern: string; readonly example: string; readonly children: readonly string[] }
  )[]
}

/** The documentation suite, in reading order; ANCHOR.md comes first and alone, behind its own gate. */
export const documentSuite: readonly DocumentKind[] = [
  {
    id: 'anchor',
    path: 'docs/ANCHOR.md',
    title: 'Anchor',
    sections: ['Purpose', 'Inputs and outputs', 'Scope', 'Roles', 'Gates', 'ADR policy', 'Links'],
  },
  {
    id: '00_overview',
    path: 'docs/00_overview.md',
    title: 'Overview',
    sections: ['Summary', 'Terminology', 'Context'],
  },
  {
    id: '10_architecture',
    path: 'docs/10_architecture.md',
    title: 'Architecture',
    sections: ['System context', 'Components', 'Data flows', 'Constraints'],
  },
  {
    id: '20_requirements',
    path: 'docs/20_requirements.md',
    title: 'Requirements',
    sections: ['Functional', 'Non-functional', 'Assumptions'],
  },
  {
    id: '30_milestones',
    path: 'docs/30_milestones.md',
    title: 'Milestones',
    sections: [
      {
        pattern: '^M-\\d{3} — .+$',
        example: 'M-001 — First working version',
        children: ['Goal', 'Criteria', 'Artefacts'],
      },
    ],
  },
  {
    id: '40_acceptance',
    path: 'docs/40_acceptance.md',
    title: 'Acceptance',
    sections: ['Documentation', 'Milestone acceptance', 'Quality gates'],
  },
  {
    id: '50_nonfunctional',
    path: 'docs/50_nonfunctional.md',
    title: 'Non-functional requirements',
    sections: ['Reliability', 'Security and privacy', 'Observability'],
  },
  {
    id: '60_constraints',
    path: 'docs/60_constraints.md',
    title: 'Constraints',
    sections: ['Technical', 'Process', 'Compliance'],
  },
  {
    id: '70_runbook',
    path: 'docs/70_runbook.md',
    title: 'Runbook',
    sections: ['Onboarding', 'Operations', 'Incident response'],
  },
  {
    id: '80_adrs',
    path: 'docs/80_adrs.md',
    title: 'Architecture decision records',
    sections: [
      {
        pattern: '^ADR-\\d{4} — .+$',
        example: 'ADR-0001 — Changes arrive by pull request',
        children: ['Context', 'Decision', 'Consequences'],
      },
    ],
  },
  { id: '90_api', path: 'docs/90_api.md', title: 'Interfaces', sections: ['Triggers', 'Interfaces', 'Security'] },
  { id: '99_glossary', path: 'docs/99_glossary.md', title: 'Glossary', sections: ['Terms', 'Abbreviations'] },
]
