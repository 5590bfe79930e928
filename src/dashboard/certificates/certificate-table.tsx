/** The table of certificates: names, where each comes from, its end with the life that is left, and its renewal. */
/** @jsxImportSource @kitajs/html */

import { certificateName, daysLeft, dayText, lifeLeft, renewalText } from "../../wording/certificates.ts";
import { countWithNoun, formatCount, isoTime } from "../../wording/format.ts";
import { ToneMark } from "../layout/tone-mark.tsx";
import { Bar } from "../layout/widgets.tsx";
import { anchorOf, attribute } from "../responses.ts";
import { certificateToneWords, type ListedCertificate } from "./certificate-list.ts";

/** A page with thousands of rows would be slow; the files have all. */
const maxRows = 200;

const columns = ["Names", "From", "Key", "Ends", "Days left", "Life left", "Renewal"];

interface TableProps {
  readonly certificates: readonly ListedCertificate[];
  /** Epoch milliseconds by the balancer's clock. */
  readonly now: number;
}

export function CertificateTable({ certificates, now }: TableProps): JSX.Element {
  const rest = certificates.length - maxRows;
  return (
    <section class="pool" aria-label="Certificates in use">
      <table class="list-table stacked certificate-table">
        <thead>
          <tr>
            {columns.map((name) => (
              <th scope="col" class={name === "Days left" ? "num" : ""}>
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {certificates.slice(0, maxRows).map((listed) => (
            <CertificateRow listed={listed} now={now} />
          ))}
        </tbody>
      </table>
      {rest > 0 ? (
        <p class="empty" safe>{`${countWithNoun(rest, "further certificate")}: take the CSV.`}</p>
      ) : (
        ""
      )}
    </section>
  );
}

function CertificateRow({
  listed,
  now,
}: {
  readonly listed: ListedCertificate;
  readonly now: number;
}): JSX.Element {
  const { certificate, order, tone } = listed;
  const { names, keyType, expiresAt } = certificate;
  const left = daysLeft(certificate, now);
  const { text, details } = renewalText(certificate, order, now);
  const more = names.length - 1;
  return (
    <tr id={anchorOf("certificate", certificateName(certificate))} data-tone={tone}>
      <th scope="row" title={attribute(names.join(", "))}>
        <span class="certificate-name">
          <ToneMark tone={tone} />
          <span class="unseen" safe>{`${certificateToneWords[tone]}: `}</span>
          <b safe>{certificateName(certificate)}</b>
          {more > 0 ? <span class="quiet" safe>{`+${countWithNoun(more, "name")}`}</span> : ""}
        </span>
      </th>
      <td data-name="From" safe>
        {order?.directory ?? "file"}
      </td>
      <td data-name="Key" class="quiet" safe>
        {keyType}
      </td>
      <td data-name="Ends" class="quiet certificate-end">
        <time datetime={isoTime(expiresAt)} title={isoTime(expiresAt)} safe>
          {dayText(expiresAt)}
        </time>
      </td>
      <td data-name="Days left" class="num certificate-days" safe>
        {left < 0 ? "ended" : formatCount(left)}
      </td>
      <td class="certificate-life">
        <Bar part={lifeLeft(certificate, now)} height={6} />
      </td>
      <td data-name="Renewal" class="certificate-renewal">
        <span class="certificate-state" safe>
          {text}
        </span>{" "}
        {details.map((detail, index) => (
          <span class={index === 0 ? "quiet" : "sub"} safe>
            {detail}
          </span>
        ))}
      </td>
    </tr>
  );
}
