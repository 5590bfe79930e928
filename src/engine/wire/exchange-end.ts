/** What the wire engine knows at the end of an exchange; apart from the relay, which only moves bytes. */

import type { ExchangeEnd } from "../../proxy/record.ts";
import type { Relay } from "./relay.ts";
import type { RelayedAnswer } from "./relayed-answer.ts";
import type { ClientConnection } from "./client-connection.ts";

export function endOf(
  { request, tunnel }: Relay,
  answer: RelayedAnswer,
  { client, isClientGone }: { readonly client: ClientConnection; readonly isClientGone: boolean },
): ExchangeEnd {
  return {
    requestId: request.id,
    clientAddress: client.address,
    status: answer.status,
    bytesIn: request.receivedBytes + (tunnel?.receivedBytes ?? 0),
    bytesOut: client.writtenBytes - answer.writtenBefore,
    isClientGone,
  };
}
