/** What names one request in logs, traces and answers, as text that is copied whole. */
/** @jsxImportSource @kitajs/html */

import type { RequestRecord } from "../../proxy/record.ts";
import { attribute } from "../escape.ts";

export function Identity({ request }: { readonly request: RequestRecord }): JSX.Element {
  const rows: readonly (readonly [name: string, value: string | null])[] = [
    ["Request id", request.requestId],
    ["Trace id", request.traceId],
    ["Client", request.clientAddress],
    ["Scheme", request.scheme],
    ["Host", request.host],
    ["Target", request.target],
    ["Key", request.key],
  ];
  return (
    <section class="card" aria-labelledby="identity-name">
      <header class="card-head">
        <h2 id="identity-name">Names</h2>
      </header>
      <dl class="identity">
        {rows.map(([name, value]) => (
          <div>
            <dt>{name}</dt>
            <dd>
              {value === null || value === "" ? (
                <span class="quiet">none</span>
              ) : (
                <>
                  <code class="copied" safe>
                    {value}
                  </code>
                  <button
                    type="button"
                    class="copy"
                    data-copy={attribute(value)}
                    aria-label={`Copy ${name.toLowerCase()}`}
                    hidden
                  >
                    Copy
                  </button>
                </>
              )}
            </dd>
          </div>
        ))}
      </dl>
    </section>
  );
}
