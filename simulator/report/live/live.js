// Asks for the figures again and again and draws them. What the page says is set as text, never as markup.
"use strict"

const PERIOD = 500  // milliseconds between two requests
const MOST = 4000  // samples that the page keeps; then it takes the server's, which are fewer
const PATIENCE = 3  // requests that may fail before the run counts as gone

const element = id => document.getElementById(id)
const source = name => Bokeh.documents[0].get_model_by_name(name)
// Whether the next figures replace those that are there.
const anew = {samples: true, batches: true}
const samples = {elapsed: [], generated: [], queued: [], lag: []}
const batches = {number: [], elapsed: [], duration: [], rows: [], state_rows: [], watermark_delay: []}
let failures = 0

function append(kept, columns, replaces) {
  for (const name in kept) kept[name] = replaces ? columns[name] : kept[name].concat(columns[name])
}

// Records per second, over the second before each sample.
function held() {
  const {elapsed, generated} = samples
  let first = 0
  return elapsed.map((now, place) => {
    while (first < place && elapsed[first + 1] <= now - 1) first++
    const [since, before] = now <= 1 || first === place ? [0, 0] : [elapsed[first], generated[first]]
    return now > since ? (generated[place] - before) / (now - since) : 0
  })
}

function tell(list, facts) {
  if (element(list) === null) return
  element(list).replaceChildren(...Object.entries(facts).map(([name, value]) => {
    const pair = document.createElement("div")
    pair.append(document.createElement("dt"), document.createElement("dd"))
    pair.firstChild.textContent = name
    pair.lastChild.textContent = value
    return pair
  }))
}

function end(status, run) {
  element("status").textContent = status
  element("run").textContent = run
  element("header").className = status
  for (const choice of document.querySelectorAll("select")) choice.disabled = true  // nobody is there to answer
}

function show(news) {
  element("status").textContent = "running"
  element("run").textContent = news.run
  for (const number of document.querySelectorAll("dd[data-name]")) {
    number.textContent = news.counts[number.dataset.name].toLocaleString("en")
  }
  if (element("done") !== null) element("done").value = news.elapsed
  tell("producer", news.producer)
  tell("spark", news.spark)
  append(samples, news.samples, anew.samples)
  const {elapsed, queued} = samples
  const lag = samples.lag.map(seconds => 1000 * seconds)
  source("samples").data = {elapsed, queued, lag, held: held(), asked: elapsed.map(() => news.asked)}
  if (news.batches !== undefined) {
    append(batches, news.batches, anew.batches)
    const {number, ...columns} = batches
    source("batches").data = columns
    source("windows").data = news.windows
    Bokeh.documents[0].get_model_by_name("chosen").title.text = `windows so far: ${news.chosen}`
  }
  if (news.status !== null) end(news.status, "the run has ended")
}

function query() {
  const known = new URLSearchParams()
  anew.samples = samples.elapsed.length === 0 || samples.elapsed.length > MOST
  anew.batches = batches.number.length === 0 || batches.number.length > MOST
  if (!anew.samples) known.set("elapsed", samples.elapsed.at(-1))
  if (!anew.batches) known.set("batch", batches.number.at(-1))
  for (const name of ["symbol", "metric"]) if (element(name) !== null) known.set(name, element(name).value)
  return known
}

async function ask() {
  let news
  try {
    news = await (await fetch(`/figures.json?${query()}`)).json()
    failures = 0
  } catch (error) {
    failures++
  }
  if (failures >= PATIENCE) return end("ended", "the program has ended, or does not answer")
  if (news !== undefined) show(news)
  if (news === undefined || news.status === null) setTimeout(ask, PERIOD)
}

async function begin() {
  const pictures = await (await fetch("/pictures.json")).json()
  Bokeh.set_log_level("error")  // it would warn of axes without values, which are all of them until the first event
  await Bokeh.embed.embed_item(pictures)
  await ask()
}

begin()
