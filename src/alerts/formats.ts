/** The request for a receiver, by its format; where one of an extension fails, the generic JSON. */

import { type AlertReceiverConfig, extensionFormatIn } from "../config/alerts.ts";
import type { Alert, AlertMessage } from "../extension/alert-format.ts";
import type { Extensions } from "../extension/extensions.ts";
import { pagerDutyMessage } from "./pagerduty-format.ts";
import { signatureOf } from "./signature.ts";
import { slackMessage } from "./slack-format.ts";

/** What is sent in one try. */
export interface AlertRequest {
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** Of these, an extension cannot set any: they are about the connection, or prove who sends. */
const ownHeaders = /^(host|content-length|transfer-encoding|connection|evenkeel-.*|idempotency-key)$/i;

/** A longer one would be refused by most receivers, and is a mistake. */
export const maxBodyBytes = 1_048_576;

/** @param at epoch milliseconds of this try, for the signature */
export function requestOf(
  alert: Alert,
  receiver: AlertReceiverConfig,
  {
    extensions,
    userAgent,
    at,
  }: {
    readonly extensions: Pick<Extensions, "alertFormat">;
    readonly userAgent: string;
    readonly at: number;
  },
): AlertRequest {
  const { format, secret } = receiver;
  const { body, contentType = "application/json", headers = {} } = messageOf(alert, receiver, extensions);
  const given = Object.entries(headers).filter(([name]) => !ownHeaders.test(name));
  // Slack and PagerDuty take no signature; the routing key is no key for one.
  const isSigned = secret !== undefined && format !== "pagerduty" && format !== "slack";
  return {
    body,
    headers: {
      "User-Agent": userAgent,
      ...Object.fromEntries(given),
      "Content-Type": contentType,
      "Content-Length": String(Buffer.byteLength(body)),
      "Evenkeel-Event": alert.type,
      "Idempotency-Key": encodeURI(alert.key),
      ...(isSigned && { "Evenkeel-Signature": signatureOf(body, secret, at) }),
    },
  };
}

/** The problem as in `GET /api/problems`, with what changed and where to look. */
function jsonMessage({ type, key, at, url, problem }: Alert): AlertMessage {
  return { body: JSON.stringify({ event: type, key, at, url, ...problem }) };
}

function messageOf(
  alert: Alert,
  { format, secret }: AlertReceiverConfig,
  extensions: Pick<Extensions, "alertFormat">,
): AlertMessage {
  switch (format) {
    case "json":
      return jsonMessage(alert);
    case "slack":
      return slackMessage(alert);
    case "pagerduty":
      return pagerDutyMessage(alert, { secret });
    default: {
      const name = extensionFormatIn(format) ?? "";
      const message = extensions.alertFormat(name)?.(alert, { secret });
      return message && Buffer.byteLength(message.body) <= maxBodyBytes ? message : jsonMessage(alert);
    }
  }
}
