/** The certificates that TLS listeners present: names, file and end of each. */
/** @jsxImportSource @kitajs/html */

import type { CertificateSnapshot } from "../../snapshot/snapshot.ts";

/** A page with thousands of rows would be slow; the API has all. */
const maxRows = 200;

export function CertificateTable({
  certificates,
}: {
  readonly certificates: readonly CertificateSnapshot[];
}): JSX.Element {
  const left = certificates.length - maxRows;
  return (
    <section class="pool" id="certificates" aria-labelledby="certificates-name">
      <header class="pool-head">
        <h2 id="certificates-name">certificates in use</h2>
      </header>
      <table class="settings">
        <thead class="unseen">
          <tr>
            <th scope="col">Names</th>
            <th scope="col">Expires</th>
            <th scope="col">File</th>
          </tr>
        </thead>
        <tbody>
          {certificates.slice(0, maxRows).map(({ names, keyType, expiresAt, status, source }) => (
            <tr data-chosen="yes">
              <th scope="row" safe>
                {names.length > 0 ? names.join(", ") : "no name"}
              </th>
              <td safe>{`${dayOf(expiresAt)} (${status}, ${keyType})`}</td>
              <td class="source" safe>
                {source}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {left > 0 ? <p class="quiet" safe>{`${left} more in GET /api/snapshot`}</p> : ""}
    </section>
  );
}

function dayOf(time: number): string {
  return new Date(time).toISOString().slice(0, 10);
}
