/** The end of an exchange as the fetch engine sees it: at once with a whole response, or with the end of its stream. */

import type { RequestContext } from "./handler.ts";

/** Bytes of bodies: this engine never sees heads. */
export interface ByteCounts {
  bytesIn: number;
  bytesOut: number;
  /** Status of an answer whose body is passed on piece by piece: the exchange ends with it; else 0. */
  streamed: number;
}

export function newByteCounts(): ByteCounts {
  return { bytesIn: 0, bytesOut: 0, streamed: 0 };
}

/** The whole answer is known; 499 is ours for a client that has left. */
export function closeWithResponse(context: RequestContext, response: Response): Response {
  const isClientGone = response.status === 499 && context.request.signal.aborted;
  closeExchange(context, isClientGone ? 0 : response.status, isClientGone);
  return response;
}

export function closeExchange(context: RequestContext, status: number, isClientGone: boolean): void {
  const { exchange, requestId, head, byteCounts } = context;
  const { bytesIn, bytesOut } = byteCounts;
  const { clientAddress, scheme } = head;
  exchange.close({ requestId, clientAddress, scheme, status, bytesIn, bytesOut, isClientGone });
}
