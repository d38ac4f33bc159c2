/** Products and roles a README may name. A name that is not listed is still quoted; it only gets no box in the diagram. */

export const storeNames =
  /(?<![\p{L}\p{N}_-])(?:PostgreSQL|Postgres|MySQL|MariaDB|SQLite|MongoDB|Redis|Valkey|Memcached|Elasticsearch|OpenSearch|ClickHouse|Cassandra|DynamoDB|Firestore|Kafka|RabbitMQ|NATS|SQS|S3|MinIO|Neo4j|InfluxDB|CouchDB|LevelDB|RocksDB|DuckDB|IndexedDB|localStorage|Oracle Database|SQL Server)(?![\p{L}\p{N}_-])/giu

/** Spellings of one thing. */
export const sameNames: Readonly<Record<string, string>> = {
  postgres: 'PostgreSQL',
  postgresql: 'PostgreSQL',
  email: 'e-mail',
  emails: 'e-mail',
  'e-mails': 'e-mail',
  webhooks: 'webhook',
}

export const externalNames =
  /(?<![\p{L}\p{N}_-])(?:SMTP|e-mail|email|SMS|Twilio|Stripe|PayPal|Slack|Telegram|Discord|WhatsApp|GitHub|GitLab|Bitbucket|Google Drive|Google Sheets|Google Maps|OAuth|OpenID Connect|OIDC|SAML|LDAP|Active Directory|Auth0|Keycloak|AWS|Azure|GCP|Cloudflare|Sentry|Prometheus|Grafana|Datadog|OpenTelemetry|SendGrid|Mailgun|OpenAI|Anthropic|Jira|Salesforce|SAP|1C|1С|ЮKassa|Kubernetes|webhooks?|электронн(?:ая|ую|ой|ые) почт[аыуе]|эл\. почт[аыуе]|e-mails|emails)(?![\p{L}\p{N}_-])/giu

function role(words: string): RegExp {
  return new RegExp(`(?<![\\p{L}\\p{N}-])(?:${words})(?![\\p{L}\\p{N}-])`, 'iu')
}

/** Words for people, each with the form a table shows. Used when the README has no section about users. */
export const roleNames: readonly (readonly [string, RegExp])[] = [
  ['administrator', role('administrators?|admins?')],
  ['operator', role('operators?')],
  ['customer', role('customers?')],
  ['receptionist', role('receptionists?')],
  ['manager', role('managers?')],
  ['courier', role('couriers?')],
  ['driver', role('drivers?')],
  ['maintainer', role('maintainers?')],
  ['visitor', role('visitors?')],
  ['guest', role('guests?')],
  ['employee', role('employees?|staff')],
  ['tenant', role('tenants?')],
  ['editor', role('editors?')],
  ['reviewer', role('reviewers?')],
  ['auditor', role('auditors?')],
  ['moderator', role('moderators?')],
  ['seller', role('sellers?')],
  ['buyer', role('buyers?')],
  ['student', role('students?')],
  ['teacher', role('teachers?')],
  ['patient', role('patients?')],
  ['doctor', role('doctors?')],
  ['subscriber', role('subscribers?')],
  ['developer', role('developers?')],
  ['user', role('(?:end )?users?')],
  ['администратор', role('администратор\\p{L}{0,3}')],
  ['оператор', role('оператор(?:ы|а|у|ом|ов|ам|ами)?')],
  ['пользователь', role('пользовател\\p{L}{1,4}')],
  ['клиент', role('клиент(?:ы|а|у|ом|ов|ам|ами)?')],
  ['гость', role('гост(?:ь|я|ю|ем|и|ей|ям|ями)')],
  ['менеджер', role('менеджер(?:ы|а|у|ом|ов|ам)?')],
  ['курьер', role('курьер(?:ы|а|у|ом|ов|ам)?')],
  ['покупатель', role('покупател\\p{L}{1,4}')],
  ['продавец', role('продав(?:ец|ц\\p{L}{1,3})')],
  ['бариста', role('бариста')],
  ['сотрудник', role('сотрудник(?:и|а|у|ом|ов|ам)?')],
  ['кассир', role('кассир(?:ы|а|у|ом|ов|ам)?')],
  ['врач', role('врач(?:и|а|у|ом|ей|ам)?')],
  ['водитель', role('водител\\p{L}{1,4}')],
  ['Benutzer', role('Benutzer(?:n|in|innen)?|Nutzer(?:n|in|innen)?')],
  ['Kunde', role('Kund(?:e|en|in|innen)')],
  ['Administrator', role('Administrator(?:en|in)?')],
  ['Mitarbeiter', role('Mitarbeiter(?:n|in|innen)?')],
  ['utilisateur', role('utilisat(?:eur|rice)s?')],
  ['client', role('client(?:e|s|es)')],
  ['administrateur', role('administrateurs?')],
  ['usuario', role('usuari[oa]s?')],
  ['cliente', role('clientes?')],
  ['administrador', role('administrador(?:a|es|as)?')],
]

/** Passive wordings of rights, and what the right is: "A parcel can be deleted" asks who may delete a parcel. */
export const privileged: Readonly<Record<string, string>> = {
  deleted: 'delete',
  removed: 'remove',
  erased: 'erase',
  cancelled: 'cancel',
  canceled: 'cancel',
  edited: 'edit',
  changed: 'change',
  modified: 'change',
  updated: 'update',
  approved: 'approve',
  rejected: 'reject',
  exported: 'export',
  imported: 'import',
  archived: 'archive',
  restored: 'restore',
  created: 'create',
  added: 'add',
  closed: 'close',
  reopened: 'reopen',
  published: 'publish',
  disabled: 'disable',
  enabled: 'enable',
  revoked: 'revoke',
  refunded: 'refund',
  viewed: 'view',
  shared: 'share',
  assigned: 'assign',
  returned: 'return',
  renamed: 'rename',
  blocked: 'block',
  unlocked: 'unlock',
  merged: 'merge',
  reset: 'reset',
  downloaded: 'download',
  uploaded: 'upload',
  invited: 'invite',
  transferred: 'transfer',
}

/** The same in other languages: the words alone, since the question quotes the sentence. */
export const privilegedElsewhere =
  /(?<!\p{L})(?:мо(?:жет|гут) быть (?:удал|измен|отмен|отредактирован|заблокирован|экспортирован|архивирован)\p{L}*|можно (?:удалить|изменить|отменить|редактировать|заблокировать|экспортировать|восстановить)|(?:kann|können) .{0,40}(?:gelöscht|geändert|storniert|bearbeitet|exportiert) werden|peu(?:t|vent) être (?:supprim|modifi|annul|export)\p{L}*|puede[n]? ser (?:elimin|modific|cancel|export)\p{L}*|se puede[n]? (?:eliminar|modificar|cancelar|exportar|borrar))/iu
