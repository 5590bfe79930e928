/** The columns of a file of requests. */

import type { StoredRequest } from "../../requests/recent-requests.ts";
import { lastUpstreamOf } from "../../requests/request-filter.ts";
import { isoTime } from "../../wording/format.ts";
import type { CsvColumns } from "../csv-file.ts";

export const requestColumns: CsvColumns<StoredRequest> = {
  time: ({ at }) => isoTime(at),
  id: ({ requestId }) => requestId,
  method: ({ method }) => method,
  host: ({ host }) => host,
  target: ({ target }) => target,
  status: ({ status }) => status,
  reason: ({ reason }) => reason,
  pool: ({ pool }) => pool,
  route: ({ route }) => route,
  upstream: lastUpstreamOf,
  durationMs: ({ durationMs }) => durationMs,
  queuedMs: ({ queuedMs }) => queuedMs,
  attempts: ({ attempts }) => attempts.length,
  client: ({ clientAddress }) => clientAddress,
};
