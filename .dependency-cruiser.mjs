/** Who may import whom. A rule's comment is what a person reads when it is broken: it says why, and what to do instead. */

const tests = '\\.(test|contract)\\.ts$'

/** A source file that is no test. */
const code = (path) => ({ path, pathNot: tests })

const npm = ['npm', 'npm-dev', 'npm-optional', 'npm-peer', 'npm-bundled', 'npm-no-pkg', 'npm-unknown']

export default {
  forbidden: [
    {
      name: 'no-cycles',
      comment: 'Files in a circle can only be understood together. Move what both need to a file of its own.',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'resolvable',
      comment: 'An import must lead to a file or an installed package.',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
    {
      name: 'model-imports-nothing',
      comment:
        'Decisions are functions of plain data: no package, no node:, no clock. Pass what is needed as an argument.',
      severity: 'error',
      from: code('^core/model/'),
      to: { pathNot: '^core/model/' },
    },
    {
      name: 'ports-and-pipeline-are-declarations',
      comment: 'What a pipeline sees of the core must not drag the engine or the database along.',
      severity: 'error',
      from: code('^core/(keys|ports|workshop|pipeline)\\.ts$'),
      to: { pathNot: ['^core/(model/|keys\\.ts$|ports\\.ts$|workshop\\.ts$|pipeline\\.ts$)', 'node_modules/zod/'] },
    },
    {
      name: 'only-the-store-talks-sql',
      comment:
        'One folder holds all the SQL there is, so one folder is reviewed for it. Add a statement to core/store.',
      severity: 'error',
      // The bench fills databases and looks into them; it is no part of the product.
      from: { pathNot: ['^core/store/', '^bench/'] },
      to: { path: 'node_modules/(pg|@types/pg)/' },
    },
    {
      name: 'second-driver-only-in-tests',
      comment:
        'postgres.js can leave a connection idle in a transaction; it serves as an independent observer in tests.',
      severity: 'error',
      from: { pathNot: '^test/' },
      to: { path: 'node_modules/postgres/' },
    },
    {
      name: 'store-knows-the-model-only',
      comment: 'model ← store ← commands, engine ← main. Pass anything else in as an argument.',
      severity: 'error',
      from: code('^core/store/'),
      to: {
        path: '^(?!core/(store|model)/|core/(keys|ports|workshop|pipeline)\\.ts$)',
        dependencyTypesNot: [...npm, 'core'],
      },
    },
    {
      name: 'commands-and-engine-stand-on-the-store',
      comment: 'They know no surface, no vendor and no pipeline: those are handed to them by main.',
      severity: 'error',
      from: code('^core/(commands|engine)/'),
      to: {
        path: '^(?!core/(commands|engine|store|model)/|core/(keys|ports|workshop|pipeline)\\.ts$)',
        dependencyTypesNot: [...npm, 'core'],
      },
    },
    {
      name: 'commands-and-engine-do-not-know-each-other',
      comment: 'A command changes the database; the engine finds the change there. That is what survives a crash.',
      severity: 'error',
      from: code('^core/(commands|engine)/'),
      to: { path: '^core/(commands|engine)/', pathNot: '^core/$1/' },
    },
    {
      name: 'pipelines-see-ports-only',
      comment:
        'A pipeline is written by people who never open core/. It asks the world through core/ports.ts and core/workshop.ts.',
      severity: 'error',
      from: code('^pipelines/'),
      to: { path: '^(?!pipelines/|core/model/|core/(ports|workshop|pipeline)\\.ts$)', dependencyTypesNot: npm },
    },
    {
      name: 'pipelines-do-not-know-each-other',
      comment: 'A pipeline can be removed by deleting its folder and its line in pipelines/index.ts.',
      severity: 'error',
      from: code('^pipelines/([^/]+)/'),
      to: { path: '^pipelines/[^/]+/', pathNot: '^pipelines/$1/' },
    },
    {
      name: 'adapters-see-ports-only',
      comment:
        'An adapter implements a port; it knows neither the engine, the database, nor another vendor. Programs, the network, questions to models and what stands between agents and them each have one way.',
      severity: 'error',
      from: code('^adapters/([^/]+)/'),
      to: {
        path: '^(?!adapters/($1|process|network|asking|metering)/|core/model/|core/(keys|ports|workshop|pipeline)\\.ts$)',
        dependencyTypesNot: [...npm, 'core'],
      },
    },
    {
      name: 'one-folder-starts-programs',
      comment: 'No shell, an explicit environment, a deadline, no child left behind: adapters/process sees to it once.',
      severity: 'error',
      // The launcher is the exception: it runs where TypeScript cannot be loaded yet.
      // The bench forks its workers, to hear of each step by IPC as it begins. The bridge runs inside a sandbox, alone.
      from: {
        pathNot: [
          '^adapters/process/',
          '^adapters/bubblewrap/bridge\\.mjs$',
          '^bin/qp\\.mjs$',
          '^scripts/',
          '^bench/foreman\\.ts$',
          tests,
          '^test/',
        ],
      },
      to: { path: '^(node:)?child_process$' },
    },
    {
      name: 'a-surface-sees-commands-only',
      comment: 'A chat network turns what people do into commands. All else reaches it as an argument.',
      severity: 'error',
      from: code('^bot/([^/]+)/'),
      to: {
        path: '^(?!bot/($1/|surface\\.ts$|parse-command\\.ts$|grammar\\.ts$|phrase\\.ts$|say-next\\.ts$|diff\\.ts$)|core/commands/command\\.ts$|core/model/)',
        dependencyTypesNot: [...npm, 'core'],
      },
    },
    {
      name: 'the-bot-is-pure-but-for-the-relay',
      comment: 'Parsing and phrasing are functions of text; only the relays read the store.',
      severity: 'error',
      from: code('^bot/(?!((card-)?relay|webhook-sender)\\.ts$)[^/]+\\.ts$'),
      to: { path: '^(?!bot/|core/commands/command\\.ts$|core/model/)', dependencyTypesNot: [...npm, 'core'] },
    },
    {
      name: 'relay-and-schedules-stand-on-the-store',
      comment: 'They move what the database holds; they decide nothing and know no vendor.',
      severity: 'error',
      from: code('^(bot/((card-)?relay|webhook-sender)\\.ts$|cron/)'),
      to: {
        path: '^(?!bot/(surface|phrase|cards|rounds)\\.ts$|cron/|core/(store|model)/|core/(keys|ports|workshop|pipeline)\\.ts$)',
        dependencyTypesNot: [...npm, 'core'],
      },
    },
    {
      name: 'nobody-imports-main',
      comment: 'main wires everything and is known by nobody; config is read there and handed on.',
      severity: 'error',
      from: { pathNot: ['^main(\\.ts$|/)', '^bin/qp\\.mjs$', '^bench/', tests, '^test/'] },
      to: { path: '^(main(\\.ts$|/)|config\\.ts$)' },
    },
    {
      name: 'tests-stay-outside',
      comment: 'The product must run without its tests.',
      severity: 'error',
      from: { pathNot: ['^test/', tests, '^vitest.*\\.ts$'] },
      to: { path: ['^test/', tests] },
    },
    {
      name: 'installed-where-it-runs',
      comment: 'A package the product imports belongs to dependencies, or npm install without dev leaves it out.',
      severity: 'error',
      from: { path: '^(main|config|bot|core|adapters|pipelines|cron|bin)', pathNot: tests },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'], pathNot: 'node_modules/@types/' },
    },
  ],
  options: {
    // The TypeScript compiler 7 has no interface to parse with.
    parser: 'swc',
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: { conditionNames: ['types', 'import', 'node', 'default'], exportsFields: ['exports'] },
  },
}
