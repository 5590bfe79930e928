/** One request as a row of a list, linked to its explanation, and the texts about requests that several pages share. */
/** @jsxImportSource @kitajs/html */

import { formatMoment } from "../history/moment.tsx";
import { markup } from "../layout/shell.tsx";
import { explainUrl } from "./filter.tsx";
import { attribute } from "../responses.ts";
import type { AttemptRecord, RequestRecord } from "../../proxy/record.ts";
import { defaultSlowMs, lastUpstreamOf } from "../../requests/request-filter.ts";
import type { StoredRequest } from "../../requests/recent-requests.ts";
import { formatCount, formatMs, isoTime, nothing, unitSpace } from "../../wording/format.ts";
import type { Tone } from "../../wording/verdict.ts";

interface RowsProps {
  readonly requests: readonly StoredRequest[];
  /** Whether the day is shown beside the time. */
  readonly hasDay?: boolean | undefined;
}

export function RequestRows({ requests, hasDay = false }: RowsProps): JSX.Element {
  return (
    <>
      {requests.map((request) => (
        <RequestRow request={request} hasDay={hasDay} />
      ))}
    </>
  );
}

/** Rows for the live tail, which prepends them to the list. */
export function renderRows(requests: readonly StoredRequest[]): string {
  return markup(<RequestRows requests={requests} />);
}

interface RowProps {
  readonly request: StoredRequest;
  readonly hasDay: boolean;
}

function RequestRow({ request, hasDay }: RowProps): JSX.Element {
  const { requestId, method, host, at, durationMs } = request;
  const address = addressText(request);
  const remarks = remarksOf(request).join(", ");
  const upstream = lastUpstreamOf(request);
  return (
    <li class="request" id={rowId(request)} data-tone={requestTone(request)}>
      <time class="request-time" datetime={isoTime(at)} data-clock={hasDay ? "dated" : "instant"} safe>
        {formatMoment(at, hasDay ? "dated" : "instant")}
      </time>
      <span class="request-method" safe>
        {method || nothing}
      </span>
      <a class="request-address" href={attribute(explainUrl(requestId))} title={attribute(address)}>
        {address.startsWith(host) ? (
          <>
            <span class="request-host" safe>
              {host}
            </span>
            <span safe>{address.slice(host.length)}</span>
          </>
        ) : (
          <span safe>{address}</span>
        )}
      </a>
      <span class="request-status">
        <span class="unseen">status </span>
        <span safe>{statusText(request)}</span>
      </span>
      <span class="request-duration" data-slow={durationMs >= defaultSlowMs ? "yes" : "no"} safe>
        {formatMs(durationMs)}
      </span>
      <span class="request-upstream" title={attribute(upstream ?? "")} safe>
        {upstream ?? "no upstream"}
      </span>
      <span class="request-remarks" title={attribute(remarks)} safe>
        {remarks}
      </span>
    </li>
  );
}

/** Contains the time, because a restarted balancer counts from the start again. */
function rowId({ seq, at }: StoredRequest): string {
  return `request-${Math.round(Number(seq))}-${Math.round(Number(at))}`;
}

const columns = ["Time (UTC)", "Method", "Address", "Status", "Duration", "Upstream", "Remarks"] as const;
const classes = ["time", "method", "address", "status", "duration", "upstream", "remarks"] as const;

/** Column headings, hidden from screen readers: each row is self-explanatory for them. */
export function RowHead(): JSX.Element {
  return (
    <div class="request request-head" aria-hidden="true">
      {columns.map((name, index) => (
        <span class={`request-${classes[index]}`}>{name}</span>
      ))}
    </div>
  );
}

/** `warn`: refused for the client's fault, retried, or the client disconnected. `bad`: failed. */
export function requestTone({ status, isClientGone, retried }: RequestRecord): Tone {
  if (isClientGone) return "warn";
  if (status === 0 || status >= 500) return "bad";
  if (status >= 400 || retried.length > 0) return "warn";
  return "good";
}

/** "200"; "gone" if the client disconnected first; "none" if no response was sent. */
export function statusText({ status, isClientGone }: RequestRecord): string {
  if (status > 0) return String(status);
  return isClientGone ? "gone" : "none";
}

/** "shop.example/cart?id=7", or that the request was invalid. */
export function addressText({ host, target, method, clientAddress }: RequestRecord): string {
  if (method === "") return `invalid request from ${clientAddress}`;
  return target.startsWith("/") ? host + target : target;
}

/** Notable facts: "retried: connect_refused", "queue_full", "client gone", "queued 3 ms". */
export function remarksOf(request: RequestRecord): readonly string[] {
  const { retried, reason, complaint, isClientGone, queuedMs, status } = request;
  const tries = retried.length > 1 ? ` ${formatCount(retried.length)}×` : "";
  return [
    ...(retried.length > 0 ? [`retried${tries}: ${[...new Set(retried)].join(", ")}`] : []),
    ...(reason !== null && !retried.includes(reason) ? [complaint ? `${reason}: ${complaint}` : reason] : []),
    ...(reason === null && status >= 500 && status <= 599 ? [`${status} from the server`] : []),
    ...(isClientGone && reason !== null ? [] : isClientGone ? ["client gone"] : []),
    ...(queuedMs >= 1 ? [`queued ${formatMs(queuedMs)}`] : []),
  ];
}

/** Bytes: 0 B, 512 B, 1.4 kB, 12 MB */
export function formatBytes(bytes: number): string {
  if (!Number.isFinite(bytes)) return nothing;
  if (bytes < 1_000) return `${Math.round(bytes)}${unitSpace}B`;
  const units = ["kB", "MB", "GB", "TB"];
  let [value, unit] = [bytes / 1_000, 0];
  while (value >= 999.5 && unit < units.length - 1) [value, unit] = [value / 1_000, unit + 1];
  return `${value < 9.95 ? value.toFixed(1) : Math.round(value)}${unitSpace}${units[unit]}`;
}

/** "response 200", "failed while connecting: connect_refused", "cancelled" */
export function outcomeText({ outcome, status, phase, reason }: AttemptRecord): string {
  if (outcome === "cancelled") return "cancelled";
  if (outcome === "response") return `response ${status}`;
  const when = phase === null ? "failed" : phaseText[phase];
  return `${when ?? "failed"}: ${reason ?? "unknown"}`;
}

const phaseText: Readonly<Record<string, string | undefined>> = {
  connect: "failed while connecting",
  head: "failed before the response",
  body: "failed during the response",
};
