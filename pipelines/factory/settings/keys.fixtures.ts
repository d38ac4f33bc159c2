import { settingsJsonSchema } from './shape.ts'

type Node = {
  readonly type?: string
  readonly description?: string
  readonly properties?: Readonly<Record<string, Node>>
  readonly additionalProperties?: Node | boolean
  readonly items?: Node
}

type Key = { readonly path: string; readonly node: Node }

/** Every key below a node, `<name>` for names of one's own. */
function keysOf(node: Node, path = ''): Key[] {
  const below = Object.entries(node.properties ?? {}).map(
    ([key, child]) => [path ? `${path}.${key}` : key, child] as const,
  )
  const free =
    typeof node.additionalProperties === 'object' ? [[`${path}.<name>`, node.additionalProperties] as const] : []
  const entries = node.items?.properties ? [[`${path}[]`, node.items] as const] : []
  return [
    ...below.map(([key, child]) => ({ path: key, node: child })),
    ...[...below, ...free, ...entries].flatMap(([key, child]) => keysOf(child, key)),
  ]
}

/** Every key of quantapilot.yml, as its JSON Schema has it. */
export const schemaKeys: readonly Key[] = keysOf(JSON.parse(settingsJsonSchema()) as Node)

/** Those that have a value, and not only keys below. */
export const valueKeys: readonly Key[] = schemaKeys.filter(
  ({ node, path }) => !node.properties && path !== 'policies.gates' && path !== 'steps',
)
