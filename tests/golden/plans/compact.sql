-- parsed
SELECT
  event.`s` AS symbol,
  event.`q` AS seq,
  timestamp_micros(event.`t`) AS event_time,
  event.`p` AS price,
  event.`v` AS volume,
  event IS NULL OR event._corrupt_record IS NOT NULL OR NOT (event.`s` IS NOT NULL AND event.`q` IS NOT NULL AND event.`t` IS NOT NULL AND event.`p` IS NOT NULL AND event.`v` IS NOT NULL) AS rejected,
  CASE
    WHEN value IS NULL THEN 'null value'
    WHEN length(value) = 0 THEN 'empty value'
    WHEN NOT is_valid_utf8(CAST(value AS STRING)) THEN 'invalid UTF-8'
    WHEN event IS NULL OR event._corrupt_record IS NOT NULL THEN 'not an event: ' || '`s` STRING, `q` BIGINT, `t` BIGINT, `p` DOUBLE, `v` BIGINT'
    ELSE 'missing field'
  END AS reason,
  value, partition, offset, key
FROM (
  SELECT
    CASE WHEN is_valid_utf8(CAST(value AS STRING))
      THEN from_json(CAST(value AS STRING), '`s` STRING, `q` BIGINT, `t` BIGINT, `p` DOUBLE, `v` BIGINT, `_corrupt_record` STRING', map('mode', 'PERMISSIVE', 'columnNameOfCorruptRecord', '_corrupt_record', 'allowNonNumericNumbers', 'false'))
    END AS event,
    value, partition, offset, key
  FROM records
);

-- events
SELECT symbol, seq, event_time, price, volume
FROM parsed
WHERE NOT rejected;

-- windows
SELECT
  window.start AS window_start,
  window.end AS window_end,
  symbol,
  avg(price) AS avg_price,
  sum(volume) AS volume,
  count(*) AS msg_ct
FROM events
GROUP BY window(event_time, '10 seconds', '5 seconds'), symbol;

-- dead_letters
SELECT CAST(value AS BINARY) AS value, reason, partition, offset, key
FROM parsed
WHERE rejected;
