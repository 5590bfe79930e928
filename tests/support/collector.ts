/** A test collector for OTLP over HTTP with JSON: stores the spans that it receives. */

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

export interface OtlpAttribute {
  readonly key: string;
  readonly value: Readonly<Record<string, unknown>>;
}

export interface OtlpSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly kind: number;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly status: { readonly code: number };
  readonly attributes: readonly OtlpAttribute[];
}

interface OtlpBody {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly OtlpAttribute[] };
    readonly scopeSpans: readonly { readonly spans: readonly OtlpSpan[] }[];
  }[];
}

export interface Collector {
  readonly url: string;
  /** The request path of each batch. */
  readonly paths: readonly string[];
  /** Resource attributes of the process that sent the last batch. */
  resource(): Readonly<Record<string, unknown>>;
  spans(): readonly OtlpSpan[];
  close(): void;
}

/** @param refusal the response to every batch; batches are then not stored */
export async function startCollector(refusal?: {
  readonly status: number;
  readonly retryAfter: string;
}): Promise<Collector> {
  const paths: string[] = [];
  const bodies: OtlpBody[] = [];
  const server = createServer((request, response) => {
    let text = "";
    request.on("data", (chunk: Buffer) => (text += chunk.toString()));
    request.on("end", () => {
      paths.push(request.url ?? "");
      if (refusal) {
        response.writeHead(refusal.status, { "retry-after": refusal.retryAfter }).end();
        return;
      }
      bodies.push(JSON.parse(text) as OtlpBody);
      response.setHeader("content-type", "application/json").end("{}");
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const resources = () => bodies.flatMap(({ resourceSpans }) => resourceSpans);
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    paths,
    resource: () => attributesOf(resources().at(-1)?.resource ?? { attributes: [] }),
    spans: () => resources().flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans)),
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

export function attributesOf({
  attributes,
}: Pick<OtlpSpan, "attributes">): Readonly<Record<string, unknown>> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value)[0]]));
}
