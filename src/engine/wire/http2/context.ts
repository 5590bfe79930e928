/** What all HTTP/2 connections of one listener share: buffers that are used within one event, and limits. */

import { randomBytes } from "node:crypto";

import type { ProtocolViolation } from "../../../proxy/refusal.ts";
import { HeadLimits } from "../http1/head-limits.ts";
import { type HeadTools, headTools } from "./body-translator.ts";
import { FieldList } from "./field-list.ts";
import { RequestWriter } from "./request-writer.ts";

/** What the engine adds to an upstream's head: Connection, Via and the like. */
const addedHeadBytes = 4_096;

export class Http2Context {
  readonly fields: FieldList;
  readonly requests: RequestWriter;
  readonly responses: HeadTools;
  readonly headTooLarge: ProtocolViolation;

  constructor(requests: HeadLimits, responses: HeadLimits) {
    this.fields = new FieldList(requests.headBytes);
    this.requests = new RequestWriter(requests.headBytes);
    this.responses = headTools(
      new HeadLimits(responses.headBytes + addedHeadBytes, responses.fields + 16, 0),
    );
    this.headTooLarge = requests.headTooLarge;
  }

  /** RFC 6455 section 4.1. */
  webSocketKey(): string {
    return randomBytes(16).toString("base64");
  }
}
