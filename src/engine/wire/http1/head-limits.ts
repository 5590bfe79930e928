/** Limits of a message's head, and the violations that name them. */

import {
  headTooLarge,
  type ProtocolViolation,
  targetTooLong,
  tooManyFields,
} from "../../../proxy/refusal.ts";
import type { MessageLimits } from "../../engine.ts";

/** One for all heads of one kind, requests or responses, of a listener. */
export class HeadLimits {
  readonly headBytes: number;
  readonly fields: number;
  readonly targetBytes: number;
  readonly headTooLarge: ProtocolViolation;
  readonly tooManyFields: ProtocolViolation;
  readonly targetTooLong: ProtocolViolation;

  constructor(headBytes: number, fields: number, targetBytes: number) {
    this.headBytes = headBytes;
    this.fields = fields;
    this.targetBytes = targetBytes;
    this.headTooLarge = headTooLarge(headBytes);
    this.tooManyFields = tooManyFields(fields);
    this.targetTooLong = targetTooLong(targetBytes);
  }
}

export function requestLimits(limits: MessageLimits): HeadLimits {
  return new HeadLimits(limits.requestHeadBytes, limits.requestFields, limits.requestTargetBytes);
}

export function responseLimits(limits: MessageLimits): HeadLimits {
  return new HeadLimits(limits.responseHeadBytes, limits.responseFields, 0);
}
