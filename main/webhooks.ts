import { sendWebhook } from '../adapters/webhook/send.ts'
import { WebhookSender } from '../bot/webhook-sender.ts'
import type { House } from './house.ts'

/** Sends what waits for webhooks, over the network, signed by this server. */
export function webhookSender({ db, desk, log }: House): WebhookSender {
  const { allowedHosts, secretOf } = desk.webhooks
  return new WebhookSender({
    db,
    send: (delivery) =>
      sendWebhook(
        { ...delivery, secret: secretOf(delivery.webhookId), sentAt: new Date() },
        { allowedHosts, timeoutMs: 10_000 },
      ),
    onFault: (webhook, error) => log('warn', 'a webhook was not sent', { webhook, error }),
    random: Math.random,
  })
}
