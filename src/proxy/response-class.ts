/** What HTTP status codes mean to a pool. */

import type { ResponseClassifier } from "../pool/outcome.ts";

/** 502 Bad Gateway, 503 Service Unavailable, 504 Gateway Timeout (RFC 9110 section 15.6). A 500 is the application's own. */
export function isGatewayFailure(status: number): boolean {
  return status >= 502 && status <= 504;
}

/** 101 Switching Protocols (RFC 9110 section 15.2.2). */
export function isTunnelStatus(status: number): boolean {
  return status === 101;
}

export const httpResponseClassifier: ResponseClassifier = {
  isFailure: isGatewayFailure,
  isTunnel: isTunnelStatus,
};
