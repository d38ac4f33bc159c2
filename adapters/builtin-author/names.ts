/** Products and roles a README may name. A name that is not listed is still quoted; it only gets no box in the diagram. */

export const storeNames =
  /(?<![\p{L}\p{N}-])(?:PostgreSQL|Postgres|MySQL|MariaDB|SQLite|MongoDB|Redis|Valkey|Memcached|Elasticsearch|OpenSearch|ClickHouse|Cassandra|DynamoDB|Firestore|Kafka|RabbitMQ|NATS|SQS|S3|MinIO|Neo4j|InfluxDB|CouchDB|LevelDB|RocksDB|DuckDB|IndexedDB|localStorage|Oracle Database|SQL Server)(?![\p{L}\p{N}-])/giu

export const externalNames =
  /(?<![\p{L}\p{N}-])(?:SMTP|e-mail|email|SMS|Twilio|Stripe|PayPal|Slack|Telegram|Discord|WhatsApp|GitHub|GitLab|Bitbucket|Google Drive|Google Sheets|Google Maps|OAuth|OpenID Connect|OIDC|SAML|LDAP|Active Directory|Auth0|Keycloak|AWS|Azure|GCP|Cloudflare|Sentry|Prometheus|Grafana|Datadog|OpenTelemetry|SendGrid|Mailgun|OpenAI|Anthropic|Jira|Salesforce|SAP|1C|1С|ЮKassa|Kubernetes|webhooks?|электронн(?:ая|ую|ой|ые) почт[аыуе]|эл\. почт[аыуе]|e-mails|emails)(?![\p{L}\p{N}-])/giu

export const roleWords =
  /(?<![\p{L}\p{N}-])(?:administrators?|admins?|operators?|customers?|receptionists?|managers?|couriers?|drivers?|maintainers?|visitors?|guests?|employees?|tenants?|editors?|reviewers?|auditors?|moderators?|sellers?|buyers?|students?|teachers?|patients?|doctors?|subscribers?|developers?|end users?|users?|администратор(?:ы|а|у|ом)?|оператор(?:ы|а|у|ом)?|пользовател[ьиюя](?:м|ми)?|клиент(?:ы|а|у|ов)?|менеджер(?:ы|а|у)?|курьер(?:ы|а|у)?|покупател[ьиюя]|продав(?:ец|цы|ца)|сотрудник(?:и|а|у)?|кассир(?:ы|а|у)?|Benutzer|Nutzer|Kunden?|Administratoren|Mitarbeiter|utilisateurs?|clients?|administrateurs?|usuarios?|administrador(?:es)?)(?![\p{L}\p{N}-])/giu

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
