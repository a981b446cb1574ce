-- parsed
SELECT
  `symbol` AS symbol,
  `seq` AS seq,
  `event_time` AS event_time,
  `price` AS price,
  `volume` AS volume,
  NOT (`symbol` IS NOT NULL AND `seq` IS NOT NULL AND `event_time` IS NOT NULL AND `price` IS NOT NULL AND `volume` IS NOT NULL) AS rejected,
  'missing field' AS reason,
  to_json(struct(* EXCEPT (file)), map('ignoreNullFields', 'false', 'timestampFormat', 'yyyy-MM-dd\'T\'HH:mm:ss.SSSSSSXXX')) AS value, file
FROM records;

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
SELECT CAST(value AS BINARY) AS value, reason, file
FROM parsed
WHERE rejected;
