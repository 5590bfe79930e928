/** Decides which responses are compressed and with which coding, and what that changes in their heads. */

import { textMemo } from "../lib/text-memo.ts";
import type {
  CompressibleResponse,
  CompressionDecision,
  ContentCoding,
  ResponseCompression,
} from "../proxy/compression.ts";
import { type Field, PlainNames } from "../proxy/head-edit.ts";
import type { RequestHead } from "../proxy/request-head.ts";

export interface CompressionSettings {
  /** Media types; `text/*` is all of them. */
  readonly types: readonly string[];
  /** Smallest body, bytes. A body of unknown length is compressed. */
  readonly minBytes: number;
  /** In the order of preference. */
  readonly codings: readonly ContentCoding[];
  /** 1–11; by default one for each coding that costs little. */
  readonly level?: number | undefined;
}

/** What texts, data and programs are sent as. Images, fonts, videos and archives are compressed already. */
export const defaultTypes: readonly string[] = [
  "text/*",
  "application/json",
  "application/*+json",
  "application/javascript",
  "application/x-javascript",
  "application/xml",
  "application/*+xml",
  "application/wasm",
  "image/svg+xml",
];

/** Less fits into one packet in any case. */
export const defaultMinBytes = 1_024;

/** More of them compress few percent better, for a multiple of the time. */
const defaultLevels: Readonly<Record<ContentCoding, number>> = { zstd: 3, br: 4, gzip: 5 };
const maxLevels: Readonly<Record<ContentCoding, number>> = { zstd: 11, br: 11, gzip: 9 };

export function createCompression({
  types,
  minBytes,
  codings,
  level,
}: CompressionSettings): ResponseCompression {
  const isListedType = typeMatcher(types);
  const isListed = textMemo((contentType) => isListedType(mediaTypeIn(contentType)));
  const codingFor = textMemo((accepted) => acceptedCoding(accepted, codings));
  const planOf = (coding: ContentCoding) => ({
    coding,
    level: Math.min(level ?? defaultLevels[coding], maxLevels[coding]),
  });
  const plans = { zstd: planOf("zstd"), br: planOf("br"), gzip: planOf("gzip") };
  return {
    decide(request, response) {
      const { status } = response;
      if (status === 304) return stillCompressed(request, response);
      // What costs least and decides most comes first: each field that is asked for is looked for.
      if (status < 200 || status > 599 || unchangedStatuses.has(status)) return undefined;
      const { bodyBytes } = response;
      if (bodyBytes !== undefined && (bodyBytes === 0 || bodyBytes < minBytes)) return undefined;
      if (!isListed(response.header("content-type") ?? "") || !mayChange(request, response)) return undefined;
      const accepted = request.header("accept-encoding");
      const coding = accepted === undefined ? undefined : codingFor(accepted);
      return coding === undefined ? withVary(response) : compressed(response, plans[coding]);
    },
  };
}

/** Statuses without a body, with a part of one (RFC 9110 section 15.3.7), or that speak of another response's. */
const unchangedStatuses: ReadonlySet<number> = new Set([204, 205, 206, 226, 304]);

const noTransform = /(?:^|,)\s*no-transform\s*(?:[,;=]|$)/i;

/** Whether both heads allow another form of the body (RFC 9110 section 7.7). */
function mayChange(request: RequestHead, response: CompressibleResponse): boolean {
  return (
    response.header("content-encoding") === undefined &&
    request.method !== "HEAD" &&
    allowsTransform(response.header("cache-control")) &&
    response.header("content-range") === undefined &&
    response.header("trailer") === undefined &&
    request.header("range") === undefined &&
    allowsTransform(request.header("cache-control"))
  );
}

function allowsTransform(cacheControl: string | undefined): boolean {
  return cacheControl === undefined || !noTransform.test(cacheControl);
}

function mediaTypeIn(contentType: string): string {
  return contentType.split(";", 1)[0]?.trim().toLowerCase() ?? "";
}

/** Streams of events and messages: their parts must not wait for others, and their clients expect no coding. */
const streamedTypes = /^(?:text\/event-stream|application\/grpc(?:$|[+-].*))/;

/** `*` stands for any letters of a name: `text/*`, `application/*+json`. */
function typeMatcher(types: readonly string[]): (type: string) => boolean {
  const [exact, patterns] = [new Set<string>(), [] as { readonly start: string; readonly end: string }[]];
  for (const type of types.map((text) => text.toLowerCase())) {
    const star = type.indexOf("*");
    if (star < 0) exact.add(type);
    else patterns.push({ start: type.slice(0, star), end: type.slice(star + 1) });
  }
  return (type) => {
    if (streamedTypes.test(type)) return false;
    if (exact.has(type)) return true;
    return patterns.some(
      ({ start, end }) =>
        type.length > start.length + end.length && type.startsWith(start) && type.endsWith(end),
    );
  };
}

/**
 * The coding that the client prefers, ours where it has no preference (RFC 9110 section 12.5.3).
 * @param header an Accept-Encoding field; without one the body passes as it is, although any coding would be allowed
 */
export function acceptedCoding(
  header: string | undefined,
  codings: readonly ContentCoding[],
): ContentCoding | undefined {
  if (header === undefined) return undefined;
  const weights = weightsIn(header);
  const weightOf = (coding: string) => weights.get(coding) ?? weights.get("*") ?? 0;
  let best: ContentCoding | undefined;
  let bestWeight = 0;
  for (const coding of codings) {
    const weight = weightOf(coding);
    if (weight > bestWeight) [best, bestWeight] = [coding, weight];
  }
  return (weights.get("identity") ?? 0) > bestWeight ? undefined : best;
}

const qValue = /^(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/;

/** Weights by coding, the first of repeated ones. A weight that is not valid is 0. */
function weightsIn(header: string): ReadonlyMap<string, number> {
  const weights = new Map<string, number>();
  for (const entry of header.split(",")) {
    const [name = "", ...parameters] = entry.split(";").map((part) => part.trim().toLowerCase());
    const coding = name === "x-gzip" ? "gzip" : name;
    const q = parameters.find((parameter) => /^q\s*=/.test(parameter))?.replace(/^q\s*=\s*/, "");
    if (coding !== "" && !weights.has(coding))
      weights.set(coding, q === undefined ? 1 : qValue.test(q) ? Number(q) : 0);
  }
  return weights;
}

const nothing = new PlainNames();
const varyField: Field = ["Vary", "Accept-Encoding"];

/** For caches: another client may get another body. */
function withVary(response: CompressibleResponse): CompressionDecision | undefined {
  return namesAcceptEncoding(response.header("vary")) ? undefined : { removed: nothing, added: [varyField] };
}

const acceptEncoding = /(?:^|,)\s*(?:\*|accept-encoding)\s*(?:,|$)/i;

function namesAcceptEncoding(vary: string | undefined): boolean {
  return vary !== undefined && acceptEncoding.test(vary);
}

/** Fields about the bytes of the body that was sent here. */
const staleNames = ["accept-ranges", "content-md5", "digest", "content-digest", "repr-digest"];
const withEtag = new PlainNames([...staleNames, "etag"]);
const withoutEtag = new PlainNames(staleNames);

const etagOnly = new PlainNames(["etag"]);

/**
 * The compressed response that the client has is still the latest. With the strong ETag of the upstream a cache would find no
 * response to freshen (RFC 9111 section 4.3.4): the client gets back what it had got.
 */
function stillCompressed(
  request: RequestHead,
  response: CompressibleResponse,
): CompressionDecision | undefined {
  const etag = response.header("etag");
  if (!etag?.startsWith('"')) return undefined;
  const weak = `W/${etag}`;
  if (request.header("if-none-match")?.includes(weak) !== true) return undefined;
  const vary = namesAcceptEncoding(response.header("vary")) ? [] : [varyField];
  return { removed: etagOnly, added: [...vary, ["ETag", weak]] };
}

function compressed(
  response: CompressibleResponse,
  plan: NonNullable<CompressionDecision["plan"]>,
): CompressionDecision {
  const etag = response.header("etag");
  // Two bodies must not share a strong validator (RFC 9110 section 8.8.1).
  const weakens = etag?.startsWith('"') === true;
  const added: Field[] = [["Content-Encoding", plan.coding]];
  if (!namesAcceptEncoding(response.header("vary"))) added.push(varyField);
  if (weakens) added.push(["ETag", `W/${etag}`]);
  return { plan, removed: weakens ? withEtag : withoutEtag, added };
}
