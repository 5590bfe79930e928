/** One request as a line of a list: seen as columns, heard as a sentence, and in whole the link to its explanation. */
/** @jsxImportSource @kitajs/html */

import { attribute } from "../escape.ts";
import { formatMs, isoTime, nothing } from "../../wording/format.ts";
import { markup } from "../layout/shell.tsx";
import type { StoredRequest } from "../../requests/request.ts";
import { explainUrl } from "./sought.ts";
import { addressText, formatInstant, remarksOf, statusText, requestTone, lastUpstream } from "./words.ts";

interface RowsProps {
  readonly requests: readonly StoredRequest[];
}

export function RequestRows({ requests }: RowsProps): JSX.Element {
  return (
    <>
      {requests.map((request) => (
        <RequestRow request={request} />
      ))}
    </>
  );
}

/** For the live tail, which puts them on top of what is there. */
export function renderRows(requests: readonly StoredRequest[]): string {
  return markup(<RequestRows requests={requests} />);
}

function RequestRow({ request }: { readonly request: StoredRequest }): JSX.Element {
  const { requestId, method, host, at, durationMs } = request;
  const address = addressText(request);
  const remarks = remarksOf(request).join(", ");
  const upstream = lastUpstream(request);
  return (
    <li class="request" id={rowId(request)} data-tone={requestTone(request)}>
      <time class="request-time" datetime={isoTime(at)} safe>
        {formatInstant(at)}
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
      <span class="request-duration" safe>
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

/** Numbers begin anew with the balancer, so the moment belongs to it. */
function rowId({ seq, at }: StoredRequest): string {
  return `request-${Math.round(Number(seq))}-${Math.round(Number(at))}`;
}

const columns = ["Time (UTC)", "Method", "Address", "Status", "Took", "Upstream", "Remarks"] as const;
const classes = ["time", "method", "address", "status", "duration", "upstream", "remarks"] as const;

/** Above the rows, for the eye: each row tells its parts by itself to whoever hears it. */
export function RowHead(): JSX.Element {
  return (
    <div class="request request-head" aria-hidden="true">
      {columns.map((name, index) => (
        <span class={`request-${classes[index]}`}>{name}</span>
      ))}
    </div>
  );
}
