import { expect, test } from "bun:test";
import { Counters } from "../../src/backend/counters.ts";

test("counters have uptime in seconds and the average response time in milliseconds", () => {
  let now = 5_000;
  const counters = new Counters(() => now);
  expect(counters.read()).toEqual({ uptime: 0, requests: 0, errors: 0, avg_response_time: 0 });
  counters.record(100, 200);
  counters.record(50, 499);
  counters.record(51, 500);
  now = 6_500;
  expect(counters.read()).toEqual({ uptime: 1.5, requests: 3, errors: 1, avg_response_time: 67 });
});

test("counters are rendered as Prometheus text with base units", () => {
  const counters = new Counters(() => 0);
  counters.record(100, 200);
  counters.record(25, 503);
  const samples = counters
    .text()
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"));
  expect(samples).toEqual([
    "evenkeel_backend_uptime_seconds 0",
    "evenkeel_backend_requests_total 2",
    "evenkeel_backend_errors_total 1",
    "evenkeel_backend_response_seconds_sum 0.125000",
    "evenkeel_backend_response_seconds_count 2",
  ]);
});
