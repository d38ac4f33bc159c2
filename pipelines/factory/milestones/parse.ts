import type { Milestone } from './shapes.ts'

/** A document with more milestones than this is planned no further: nobody decides fifty gates in a row. */
const maxMilestones = 50

/** Reads the milestones of `docs/30_milestones.md` in their order. Text that belongs to none is left out. */
export function parseMilestones(text: string): readonly Milestone[] {
  const sections = text.split(/^(?=## M-\d{3}\b)/m).filter((part) => /^## M-\d{3}\b/.test(part))
  return sections.slice(0, maxMilestones).map((section) => {
    const [, id = '', title = ''] = /^## (M-\d{3})\b[\s—–:-]*(.*)$/m.exec(section) ?? []
    return { id, title: title.trim(), goal: part(section, 'Goal'), criteria: criteriaOf(part(section, 'Criteria')) }
  })
}

/** What stands below `### name`, up to the next heading. */
function part(section: string, name: string): string {
  const [, body = ''] = section.split(new RegExp(`^### ${name}[ \\t]*$`, 'm'))
  return (body.split(/^#{1,6} /m)[0] ?? '').trim()
}

function criteriaOf(body: string): Milestone['criteria'] {
  return body
    .split(/^(?=[-*] )/m)
    .filter((item) => /^[-*] /.test(item))
    .map((item) => {
      const text = item
        .replace(/^[-*] (?:\[[ xX]\] )?/, '')
        .replaceAll(/\s+/g, ' ')
        .trim()
      return { id: /^(R-[0-9a-z]+)\b/i.exec(text)?.[1] ?? null, text }
    })
}
