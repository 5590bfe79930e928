/** The rule that a request breaks, in words for log, record and answer; here the ones that every engine watches over. */

export interface ProtocolViolation {
  /** Of the answer, where it is a request. */
  readonly status: 400 | 405 | 408 | 414 | 431 | 501 | 505;
  /** Always this text and nothing that the client said: it may stand in any line. */
  readonly text: string;
}

export const methodNotServed: ProtocolViolation = { status: 405, text: "CONNECT and TRACE are not served" };
export const duplicateHost: ProtocolViolation = { status: 400, text: "more than one Host field" };
export const bodyTimeout: ProtocolViolation = { status: 408, text: "the body did not come in time" };
