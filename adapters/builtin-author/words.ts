/**
 * The words this author knows, per language, and nothing else: every list is data that `statements.ts`, `questions.ts` and
 * the pages look things up in. Words match whole and in any case; scripts written without spaces match anywhere.
 */

/** Words with letters on neither side; a hyphen joins words, so that "must-have" is not "must". */
function anyWord(words: string): RegExp {
  const alternatives = words
    .trim()
    .split(/\s*\|\s*/)
    .join('|')
    .replace(/ /g, '\\s+')
  return new RegExp(`(?<![\\p{L}\\p{N}-])(?:${alternatives})(?![\\p{L}\\p{N}-])`, 'iu')
}

function either(...patterns: readonly RegExp[]): RegExp {
  return new RegExp(patterns.map((pattern) => `(?:${pattern.source})`).join('|'), 'iu')
}

/** A word that obliges, forbids or demands. */
export const normative = either(
  anyWord(`must | mustn['’]t | shall | should | shouldn['’]t | ought to | has to | have to | needs? to | may not | may only
    | can not | cannot | can['’]t | can only | never | required | requires | mandatory | obligatory | forbidden | prohibited
    | not allowed | not permitted | only allowed`),
  anyWord(`должен | должна | должно | должны | обязан[аоы]? | обязательно | обязател(?:ен|ьна|ьны|ьный|ьная|ьное|ьные)
    | необходим[аоы]? | нужно | нужн[аы] | следует | требуется | требуются | требует | нельзя | запрещ[её]н[аоы]?
    | запрещается | не может | не могут | никогда`),
  anyWord(`muss | müssen | musst | müsst | müsste | müssten | soll | sollen | sollte | sollten | darf | dürfen | erforderlich
    | benötigt | notwendig | verpflichtend | verboten | untersagt | niemals`),
  anyWord(`doit | doivent | devra | devront | devrait | devraient | il faut | ne peut pas | ne peuvent pas | obligatoires?
    | requise?s? | nécessaires? | interdite?s? | exige | jamais`),
  anyWord(`debe | deben | deberá | deberán | debería | deberían | tiene que | tienen que | hay que | obligatori[oa]s?
    | requerid[oa]s? | requiere | necesari[oa]s? | no puede | no pueden | prohibid[oa]s? | nunca`),
  anyWord(`deve | devono | dovrebbe | dovrebbero | non può | non possono | obbligatori[oa]? | richiest[oaie] | vietato
    | devem | deverá | deverão | deveria | tem que | têm que | obrigatóri[oa]s? | não pode | não podem | proibid[oa]`),
  anyWord(`musi | muszą | powinien | powinna | powinno | powinny | należy | wymagan[aey] | nie może | nie mogą
    | повинен | повинна | повинно | повинні | мусить | необхідно | потрібно | обов['’]язков[оаий] | заборонено | слід`),
  anyWord(
    'يجب | ينبغي | لا يجوز | يلزم | مطلوب | يُحظر | चाहिए | अनिवार्य | zorunlu | zorunludur | gerekir | gereklidir',
  ),
  /必须|必須|必需|务必|務必|应当|應當|应该|應該|不得|禁止|なければならない|なければなりません|べき|해야|하여야|필수|금지/,
)

/** Capitals as RFC 2119 writes them: only these make "may" normative. */
export const rfcKeyword = /(?<![\p{L}\p{N}])(?:MAY|RECOMMENDED|OPTIONAL|NOT RECOMMENDED)(?![\p{L}\p{N}])/u

/** Words of obligation that leave room. */
export const advisory = anyWord(`should | shouldn['’]t | ought to | recommended | следует | sollte | sollten | devrait
  | devraient | debería | deberían | dovrebbe | powinien | powinna | powinno | 应该 | 應該`)

/** A sentence that opens by saying it is not wanted. */
export const nonGoalOpening =
  /^[\s*_]*(?:not|non[- ]?goals?|out[- ]of[- ]scope|not in scope|не входит|вне рамок|не является целью|nicht[- ]ziele?|kein ziel|nicht im umfang|hors périmètre|non-objectifs?|fuera de alcance|fuera del alcance|no objetivos?)\s*[:：—–-]/iu

/** A sentence that says what the product leaves to others. */
export const nonGoalPhrase = either(
  anyWord(`out of scope | is not a goal | are not a goal | non-goal | is not supported | are not supported | not planned
    | не поддерживает | не поддерживается | не поддерживаются | не предназначен[аоы]? | не занимается | не входит | не входят
    | вне рамок | unterstützt nicht | unterstützt kein(?:e|en)? | nicht unterstützt | nicht bestandteil | kein ziel
    | hors périmètre | ne prend pas en charge | ne gère pas | n['’]est pas pris en charge | fuera de alcance
    | fuera del alcance | no admite | no soporta | no incluye | no gestiona`),
  /不支持|不包括|サポートしません|対象外|지원하지/,
)

/** A subject at the start, then "does not": `It does not send parcels`, and not `If it does not start`. */
export const doesNot =
  /^[\s*_]*(?!(?:if|when|where|while|unless|because|since|as|in case|you|please|note|note that)\b)\p{L}[^,;:.]{0,60}?\s(?:does not|doesn['’]t|do not|don['’]t|will not|won['’]t)\s/iu

export type Topic =
  | 'features'
  | 'non-goals'
  | 'contents'
  | 'people'
  | 'licence'
  | 'links'
  | 'changes'
  | 'install'
  | 'usage'
  | 'configuration'
  | 'deployment'
  | 'trouble'
  | 'tests'
  | 'contributing'
  | 'roadmap'
  | 'questions'
  | 'users'
  | 'glossary'
  | 'security'
  | 'architecture'
  | 'interfaces'
  | 'limits'
  | 'data'
  | 'purpose'
  | 'observability'
  | 'other'

/** What a heading is about, first match wins. A heading that matches nothing inherits from the heading above it. */
export const headingTopics: readonly (readonly [Topic, RegExp])[] = [
  [
    'contents',
    anyWord(
      'table of contents | contents | toc | on this page | содержание | оглавление | inhalt | inhaltsverzeichnis | sommaire | table des matières | índice | contenido | 目录 | 目錄 | 目次',
    ),
  ],
  [
    'non-goals',
    either(
      anyWord(`non[- ]?goals? | not goals? | out[- ]of[- ]scope | not in scope | what it is not | what it does not do
        | what .{1,30} is not | what .{1,40} do(?:es)? not do | what .{1,40} (?:will not|won['’]t) do
        | не входит .* | вне рамок | не цели | чего .* не делает
        | nicht[- ]ziele | nicht im umfang | hors périmètre | non-objectifs | fuera de(?:l)? alcance | 非目标 | 非目標`),
      // Only as the whole of a heading: "Excluded files" may well be something that it does.
      /^(?:(?:explicitly )?(?:not (?:included|covered|planned|supported)|excluded|exclusions)(?: yet| here| in (?:this|the first) \p{L}+)?|will not do|won['’]t do|не включено|исключено|nicht (?:enthalten|geplant)|ausgeschlossen|non inclus|no incluido|exclusiones)\W*$/u,
    ),
  ],
  [
    'questions',
    either(
      anyWord(
        'open questions? | questions open | unknowns? | undecided | to be decided | открытые вопросы | offene fragen | questions ouvertes | preguntas abiertas',
      ),
      // Only as the whole of a heading: "Open source" and "Open a file" ask nothing.
      /^(?:[\d.)]+\s)?[^\p{L}\p{N}`]*(?:(?:still )?open(?: (?:points?|issues?|items?|decisions?))?|tb[dc]|to be (?:decided|defined|determined|discussed|confirmed)|not (?:yet )?decided(?: yet)?|открыто|открытые пункты|offen|offene punkte|noch offen|points ouverts|puntos abiertos)[^\p{L}\p{N}`]*$/u,
    ),
  ],
  [
    'people',
    anyWord(`contributors? | authors? | maintainers? | credits? | acknowledge?ments? | thanks | sponsors?
    | sponsoring | backers? | donations? | team | авторы? | благодарности | участники | autoren | mitwirkende | danksagung
    | auteurs? | contributeurs | remerciements | autores | colaboradores | agradecimientos | 贡献者 | 作者 | 貢献者`),
  ],
  [
    'licence',
    anyWord(
      'licen[cs]es? | licen[cs]ing | copyright | лицензия | lizenz | licencia | licenza | licença | licencja | ліцензія | 许可证 | 许可 | 授權 | ライセンス | 라이선스 | الترخيص',
    ),
  ],
  [
    'links',
    anyWord(`links? | see also | resources | related | related projects | references | further reading | read more
    | alternatives | similar projects | used by | users of .* | community | support us
    | ссылки | см\\. также | siehe auch | liens | voir aussi | enlaces | ver también | 链接 | 参考 | リンク`),
  ],
  [
    'changes',
    anyWord(
      'changelog | change log | release notes | releases | history | what[' +
        "'’" +
        ']s new | breaking changes | migration | migrating .* | история изменений | änderungen | journal des modifications | cambios | 更新日志',
    ),
  ],
  [
    'roadmap',
    anyWord(
      'roadmap | road map | milestones? | phases? | stages? | plan | planned | timeline | to-?do | дорожная карта | план | этапы | вехи | meilensteine | fahrplan | feuille de route | jalons | hoja de ruta | hitos | 路线图 | 路線圖 | ロードマップ | 로드맵',
    ),
  ],
  [
    'users',
    anyWord(`users? | roles? | audience | who (?:is|it is|it['’]s) .* for | who uses .* | who it is for | personas? | actors?
    | пользователи | роли | для кого | кому .* | benutzer | nutzer | rollen | zielgruppe | utilisateurs | rôles | usuarios
    | 用户 | 角色 | ユーザー | 사용자`),
  ],
  [
    'glossary',
    anyWord(
      'glossary | terms | terminology | definitions | concepts | vocabulary | глоссарий | термины | словарь | определения | glossar | begriffe | glossaire | définitions | glosario | términos | 术语 | 用語',
    ),
  ],
  [
    'tests',
    anyWord(
      'tests? | testing | quality | ci | continuous integration | acceptance | acceptance criteria | тесты | тестирование | приёмка | qualität | essais | tests? unitaires | pruebas | calidad | 测试 | テスト | 테스트',
    ),
  ],
  [
    'contributing',
    anyWord(
      'contribut(?:e|ing|ions?) | development | developing | hacking | code of conduct | process | разработка | участие | как помочь | mitarbeit | mitwirken | entwicklung | contribuer | contribution | développement | contribuir | desarrollo | 贡献 | 贡献指南 | 開発',
    ),
  ],
  [
    'trouble',
    anyWord(
      'troubleshooting | known issues | problems? | errors? | error handling | incidents? | recovery | when something goes wrong | что делать, если .* | ошибки | проблемы | fehler | fehlerbehebung | dépannage | erreurs | solución de problemas | errores | 故障排除',
    ),
  ],
  [
    'security',
    anyWord(
      'security | privacy | authentication | authori[sz]ation | permissions | access | data protection | безопасность | доступ | права | sicherheit | datenschutz | sécurité | confidentialité | seguridad | privacidad | 安全 | セキュリティ | 보안',
    ),
  ],
  [
    'observability',
    anyWord(
      'monitoring | logging | logs | metrics | observability | health | мониторинг | журналы | überwachung | surveillance | supervisión',
    ),
  ],
  [
    'limits',
    anyWord(
      'limits? | limitations | performance | service levels? | reliability | quotas? | non-?functional(?: requirements)? | ограничения | производительность | grenzen | leistung | limites | límites | rendimiento | 性能 | 限制',
    ),
  ],
  [
    'deployment',
    anyWord(
      'deploy(?:ment|ing)? | production | hosting | operations? | operating .* | running .* | backups? | upgrade | upgrading | docker | развёртывание | эксплуатация | betrieb | bereitstellung | déploiement | exploitation | despliegue | operación | 部署 | デプロイ | 배포',
    ),
  ],
  [
    'install',
    anyWord(
      'install | installation | installing | setup | set-up | setting up | getting started | quickstart | quick start | start | prerequisites | установка | начало работы | быстрый старт | запуск | einrichtung | erste schritte | schnellstart | voraussetzungen | démarrage(?: rapide)? | prérequis | instalación | primeros pasos | inicio rápido | instalação | instalacja | встановлення | 安装 | 快速开始 | インストール | 설치 | التثبيت',
    ),
  ],
  [
    'configuration',
    anyWord(
      'config(?:uration|uring)? | settings | environment | environment variables | настройка | конфигурация | переменные окружения | konfiguration | einstellungen | configuración | 配置 | 設定 | 설정',
    ),
  ],
  [
    'interfaces',
    anyWord(
      'api | apis | interfaces? | endpoints? | commands? | cli | options | flags | reference | events | webhooks? | команды | интерфейсы? | ключи | befehle | schnittstellen? | commandes | comandos | 接口 | 命令 | コマンド',
    ),
  ],
  [
    'architecture',
    anyWord(
      'architecture | design | how it works | components | structure | stack | архитектура | устройство | как (?:это )?работает | architektur | aufbau | arquitectura | 架构 | アーキテクチャ',
    ),
  ],
  [
    'data',
    anyWord(
      'data | data model | storage | database | retention | schema | данные | хранение | daten | speicherung | données | stockage | datos | almacenamiento | 数据 | データ',
    ),
  ],
  [
    'features',
    anyWord(`features? | requirements? | scope | goals? | functionality | functions | capabilities | what it does
    | what it must do | what .{1,40} does | rules | usage rules | highlights | use cases | user stories | specification
    | возможности | функции | функционал | требования | правила | цели | что умеет | что делает | funktionen | anforderungen
    | ziele | regeln | umfang | merkmale | fonctionnalités | exigences | objectifs | règles | périmètre | características
    | funcionalidades? | requisitos | objetivos | reglas | alcance | funzionalità | requisiti | recursos | funkcje | wymagania
    | можливості | вимоги | 功能 | 特性 | 需求 | 要求 | 機能 | 特徴 | 要件 | 기능 | 요구사항 | الميزات | المتطلبات | विशेषताएँ`),
  ],
  [
    'usage',
    anyWord(
      'usage | use | faq | using .* | how to use .* | how to .* | examples? | tutorial | guide | использование | примеры? | как пользоваться | verwendung | nutzung | benutzung | beispiele? | utilisation | exemples? | uso | ejemplos? | 使用 | 用法 | 示例 | 使い方 | 사용법 | الاستخدام',
    ),
  ],
  [
    'purpose',
    anyWord(
      'about | purpose | overview | introduction | background | why .* | motivation | what is .* | описание | назначение | введение | зачем .* | über | zweck | einleitung | überblick | à propos | présentation | acerca de | introducción | 简介 | 介绍 | 概要 | 소개 | نبذة',
    ),
  ],
]

/** Text that speaks to an agent instead of to a reader. */
export const addressesAgent = [
  /\b(?:ignore|disregard|forget|override)\s+(?:(?:all|any|your|the|these|previous|prior|above|earlier|my)\s+){1,4}(?:instructions?|prompts?|rules|guidelines|context)/iu,
  /\b(?:you are|you're|act as|pretend to be)\s+(?:now\s+)?(?:an?\s+)?(?:ai|llm|assistant|language model|coding agent|agent)\b/iu,
  /\b(?:ai|llm)\s+(?:agents?|assistants?|models?)\s*(?:must|should|shall|:|,)/iu,
  /\b(?:system prompt|approve this (?:gate|run|document|request|pull request)|and approve this|auto-?approve|without asking)\b/iu,
  /игнорируй(?:те)?\s+(?:все\s+|свои\s+|предыдущие\s+){0,3}(?:инструкции|правила|указания)/iu,
  /ignorier(?:e|en sie)?\s+(?:alle\s+|deine\s+|vorherigen\s+|bisherigen\s+){0,3}(?:anweisungen|regeln)/iu,
  /ignore[rz]?\s+(?:toutes\s+)?(?:les|vos|tes)\s+(?:instructions|consignes)/iu,
  /ignora(?:r|d)?\s+(?:todas\s+)?(?:las|tus|sus)\s+instrucciones/iu,
] as const

/** A note to oneself, in capitals; "a TODO", "TODO list" and "todo" are things to do, which many products are about. */
const note =
  /(?<![\p{L}\p{N}]|\b(?:[Aa]n?|[Tt]he|[Yy]our|[Mm]y|[Nn]ew|[Ee]ach|[Ee]very|[Oo]ne|[Tt]his|[Ss]imple|[Bb]asic|[Ss]mall) )TODO(?![\p{L}\p{N}]|[ -](?:[Aa]pp|[Ll]ist|[Ii]tem|[Mm]anager|[Tt]ool|[Tt]racker|[Bb]oard|[Bb]ot|[Ss]ervice|API|MVC|[Ee]ntr|[Tt]asks?\b))/u

/** Words that cannot be tested, with the question each one asks. `TBD` and its kin stand for an answer nobody has given. */
export const vagueWords: readonly (readonly [RegExp, 'number' | 'rule' | 'list' | 'choice' | 'answer'])[] = [
  [
    anyWord(
      'fast | faster | quick | quickly | soon | in time | timely | promptly | immediately | instantly | real[- ]?time | быстро | быстрый | быстрая | вовремя | своевременно | schnell | zeitnah | umgehend | sofort | rapide | rapidement | rápido | rápida | rápidamente',
    ),
    'number',
  ],
  [
    anyWord(
      'large | huge | many | scalable | high load | lightweight | efficient | efficiently | performant | большой нагрузк[еи] | много | viele | skalierbar | effizient | beaucoup | efficace | muchos | escalable | eficiente',
    ),
    'number',
  ],
  [
    anyWord(
      'easy | easily | simple to use | user[- ]friendly | intuitive | seamless | robust | reliable | reliably | secure | securely | flexible | удобно | удобный | просто | надёжно | надёжный | надежно | безопасно | гибкий | einfach | benutzerfreundlich | sicher | zuverlässig | facile | facilement | convivial | fiable | fácil | fácilmente | seguro | fiable',
    ),
    'rule',
  ],
  [
    anyWord(
      'as needed | if needed | when needed | if necessary | where appropriate | as appropriate | appropriate | reasonable | usually | normally | typically | some | several | sometimes | periodically | regularly | при необходимости | по мере необходимости | обычно | иногда | периодически | регулярно | bei bedarf | gegebenenfalls | normalerweise | regelmäßig | si nécessaire | si besoin | normalement | régulièrement | si es necesario | normalmente | regularmente',
    ),
    'rule',
  ],
  [
    /(?<!\p{L})(?:etc\.?|and so on|and more|и т\.?\s?д\.?|и т\.?\s?п\.?|и так далее|usw\.?|und so weiter|et cetera|等等|など)(?!\p{L})/iu,
    'list',
  ],
  [/(?<!\p{L})(?:and\/or|и\/или|und\/oder|et\/ou|y\/o)(?!\p{L})/iu, 'choice'],
  [
    /(?<![\p{L}\p{N}])(?:TBD|TBC|FIXME|\?\?\?)(?![\p{L}\p{N}])|(?<!\p{L})(?:to be decided|to be defined|to be determined|будет определено|уточняется|noch offen|à définir|por definir)(?!\p{L})/iu,
    'answer',
  ],
  [note, 'answer'],
]

const unknown = either(
  anyWord(`not yet (?:known|decided|defined|clear) | undecided | to be (?:decided|defined|determined|discussed) | we do not know
    | unknown yet | open question | пока не (?:знаем|решено|известно|ясно) | ещё не (?:решено|решили|известно) | не решено
    | noch (?:offen|nicht entschieden|unklar) | pas encore (?:décidé|défini) | à (?:définir|décider) | por (?:definir|decidir)
    | aún no (?:decidido|definido) | 未定 | 待定`),
  /(?<![\p{L}\p{N}])(?:TBD|TBC|FIXME|\?\?\?)(?![\p{L}\p{N}])/u,
)

/** Says that nobody knows yet. */
export const isUnknown = (text: string): boolean => unknown.test(text) || note.test(text)

/** Words that end with a full stop without ending a sentence; `openEnded` ones do end it before a capital. */
export const abbreviation =
  /(?:^|[\s([„"«])(?:e\.g|i\.e|eg|ie|cf|vs|approx|ca|incl|excl|resp|fig|no|nr|dr|mr|mrs|ms|prof|st|max|min|z\.\s?b|d\.\s?h|u\.\s?a|bzw|ggf|evtl|inkl|т\.\s?е|т\.\s?к|напр|см|стр|рис|ул|г|др|p\.\s?ex|par ex|p\.\s?ej|ej|sr|sra|ud|n\.\s?b)$/iu
export const openEnded = /(?:^|[\s(])(?:etc|и\s?т\.\s?д|и\s?т\.\s?п|usw|u\.\s?s\.\s?w|et al)$/iu
