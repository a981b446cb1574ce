-- parsed
SELECT
  event.`symbol` AS symbol,
  event.`seq` AS seq,
  event.`event_time` AS event_time,
  event.`price` AS price,
  event.`volume` AS volume,
  event IS NULL OR event._corrupt_record IS NOT NULL OR NOT (event.`symbol` IS NOT NULL AND event.`seq` IS NOT NULL AND event.`event_time` IS NOT NULL AND event.`price` IS NOT NULL AND event.`volume` IS NOT NULL AND event.`bid` IS NOT NULL AND event.`ask` IS NOT NULL AND event.`bid_size` IS NOT NULL AND event.`ask_size` IS NOT NULL AND event.`condition` IS NOT NULL) AS rejected,
  CASE
    WHEN value IS NULL THEN 'null value'
    WHEN length(value) = 0 THEN 'empty value'
    WHEN NOT is_valid_utf8(CAST(value AS STRING)) THEN 'invalid UTF-8'
    WHEN event IS NULL OR event._corrupt_record IS NOT NULL THEN 'not an event: ' || '`symbol` STRING, `seq` BIGINT, `event_time` TIMESTAMP, `price` DOUBLE, `volume` BIGINT, `bid` DOUBLE, `ask` DOUBLE, `bid_size` BIGINT, `ask_size` BIGINT, `condition` STRING'
    ELSE 'missing field'
  END AS reason,
  value, partition, offset, key
FROM (
  SELECT
    CASE WHEN is_valid_utf8(CAST(value AS STRING))
      THEN from_json(CAST(value AS STRING), '`symbol` STRING, `seq` BIGINT, `event_time` TIMESTAMP, `price` DOUBLE, `volume` BIGINT, `bid` DOUBLE, `ask` DOUBLE, `bid_size` BIGINT, `ask_size` BIGINT, `condition` STRING, `_corrupt_record` STRING', map('mode', 'PERMISSIVE', 'columnNameOfCorruptRecord', '_corrupt_record', 'allowNonNumericNumbers', 'false'))
    END AS event,
    value, partition, offset, key
  FROM records
);

-- events
SELECT symbol, seq, event_time, price, volume
FROM parsed
WHERE NOT rejected AND volume > 0;

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
