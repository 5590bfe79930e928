/** What all HTTP/2 connections of one side share: buffers that are used within one event, and limits. */

import { randomBytes } from "node:crypto";

import { headTooLarge, type ProtocolViolation } from "../../../proxy/refusal.ts";
import type { MessageLimits } from "../../engine.ts";
import { HeadLimits } from "../http1/head-limits.ts";
import { type HeadTools, headTools } from "./message-translator.ts";
import { FieldList } from "./field-list.ts";
import { RequestHeadWriter } from "./request-head-writer.ts";
import { ResponseHeadWriter } from "./response-head-writer.ts";

/** What the engine adds to an upstream's head: Connection, Via and the like. */
const addedHeadBytes = 4_096;

/** Of the clients of one listener. */
export class Http2Context {
  readonly fields: FieldList;
  readonly requests: RequestHeadWriter;
  readonly responses: HeadTools;
  readonly headTooLarge: ProtocolViolation;

  constructor(requests: HeadLimits, responses: HeadLimits) {
    this.fields = new FieldList(requests.headBytes);
    this.requests = new RequestHeadWriter(requests.headBytes);
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

/** What the engine adds to a client's head: the forwarding fields, which may be as long as the client's. */
const addedRequestBytes = 4_096;

/** Of the upstreams of one engine. */
export class UpstreamHttp2Context {
  readonly fields: FieldList;
  readonly tools: HeadTools;
  readonly writer: ResponseHeadWriter;
  /** The rule that a list breaks which is too large. */
  readonly fieldsTooLarge: string;

  constructor({ requestHeadBytes, requestFields, requestTargetBytes, responseHeadBytes }: MessageLimits) {
    this.fields = new FieldList(responseHeadBytes);
    this.tools = headTools(
      new HeadLimits(2 * requestHeadBytes + addedRequestBytes, requestFields + 32, requestTargetBytes),
    );
    this.writer = new ResponseHeadWriter(responseHeadBytes);
    this.fieldsTooLarge = headTooLarge(responseHeadBytes).text;
  }
}
