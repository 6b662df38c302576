//! A call that was admitted, until its hold is resolved: exactly once, whatever the client does.
//!
//! hyper drops a service's future, or its response body, when the client goes away. The exchange with the upstream must
//! not end there: it owns the hold, so it goes on by itself ([`Detached`]) and is read to its end within bounds. The account
//! hears of both moments, and `on_client_abort` says at which of them what is settled.

use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use farebox_engine::billing::cause::{Cause, Failure};
use farebox_engine::billing::hold::HoldId;
use farebox_engine::model::{OnClientAbort, PerMeter};
use farebox_engine::time::Span;
use http_body_util::{BodyExt, Full};
use hyper::Response;
use hyper::body::{Body, Frame, SizeHint};
use tokio::task::spawn_local;

use super::accounts::{AccountId, When};
use super::gateway::Worker;
use super::gateway::head::one_request;
use super::gateway::meter::TokenMeter;
use super::gateway::reply::{Reply, ReplyError};
use super::stamp::{Gone, Step};

/// How long an exchange whose client has gone is still read, and how much of it.
const AFTER_ABORT: Duration = Duration::from_secs(30);
/// See [`AFTER_ABORT`].
const BYTES_AFTER_ABORT: usize = 1 << 20;

/// Owns the hold of a call. Dropped unresolved, which only a cut-off at shutdown does, it leaves the hold open: the call was
/// in flight when the time ended, as it would be in a simulation.
#[derive(Debug)]
pub(crate) struct Exchange {
    worker: Rc<Worker>,
    hold: Hold,
    ending: Ending,
    /// In lockstep, when its client goes.
    gone: Option<Box<Gone>>,
    /// Since when, if it is measured.
    began: Option<Instant>,
}

/// The client of a call, as long as it waits for the head of the answer.
#[derive(Debug)]
pub(crate) struct Client {
    worker: Rc<Worker>,
    hold: Hold,
    ending: Ending,
}

impl Client {
    /// It goes, so long after the first of its answer had come, if that had: counts it, and tells the account. In lockstep
    /// the stamp tells.
    fn goes(&self, usage: &PerMeter<u64>, since_first: Option<Duration>) {
        let Self { worker, hold: Hold { account, route, id }, ending } = self;
        worker.counters().ended(Some(*route), Cause::ClientAbort);
        if *ending != Ending::Wall {
            return;
        }
        let world = worker.accounts().world();
        let since_first = since_first.filter(|_| bills_sent(worker));
        let sent = since_first.map_or_else(PerMeter::default, |since| {
            world.sent_after(*route, usage, Span::from_ns(since.as_nanos() as u64))
        });
        worker.accounts().gave_up(*account, When::Wall(worker.clock()), *id, sent);
    }
}

/// Whether what a client had been sent is asked for when it goes.
fn bills_sent(worker: &Worker) -> bool {
    worker.accounts().world().catalog.on_client_abort == OnClientAbort::BillSent
}

/// What was held of an account for a call of a route.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hold {
    pub(crate) account: AccountId,
    pub(crate) route: u16,
    pub(crate) id: HoldId,
}

/// When the hold is resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// When it happens, on the wall.
    Wall,
    /// In lockstep, at its step.
    Scheduled(Step),
    /// In lockstep, not before the time ends: the hold stays open.
    Never,
}

impl Exchange {
    pub(crate) fn new(worker: Rc<Worker>, hold: Hold, ending: Ending, began: Option<Instant>) -> Self {
        Self { worker, hold, ending, gone: None, began }
    }

    /// The same, of a client that goes then.
    pub(crate) fn gone(self, gone: Option<Gone>) -> Self {
        Self { gone: gone.map(Box::new), ..self }
    }

    /// Who waits for the answer.
    pub(crate) fn client(&self) -> Client {
        Client { worker: Rc::clone(&self.worker), hold: self.hold, ending: self.ending }
    }

    /// In lockstep, lets the client go in its turn, if it does.
    pub(crate) async fn let_go(&self) {
        let Some(Gone { step, sent }) = self.gone.as_deref().copied() else { return };
        let (accounts, Hold { account, id, .. }) = (self.worker.accounts(), self.hold);
        poll_fn(|context| accounts.poll_turn(account, step, context)).await;
        accounts.gave_up(account, When::At(step.now), id, sent);
        accounts.pass_turn(account);
    }

    pub(crate) fn ending(&self) -> Ending {
        self.ending
    }

    pub(crate) fn account(&self) -> AccountId {
        self.hold.account
    }

    /// The call was served with this status and used this much.
    pub(crate) fn settle(self, usage: PerMeter<u64>, status: u16) {
        let worker = Rc::clone(&self.worker);
        worker.counters().served(self.hold.route, status >= 300);
        self.resolved();
        let when = match self.ending {
            Ending::Wall => When::Wall(worker.clock()),
            Ending::Scheduled(step) => When::At(step.now),
            Ending::Never => return,
        };
        worker.accounts().served(self.hold.account, when, self.hold.id, usage);
    }

    /// The upstream has answered that the call failed so, and used this much for it.
    pub(crate) fn fail(self, failure: Failure, used: PerMeter<u64>) {
        let worker = Rc::clone(&self.worker);
        worker.counters().ended(Some(self.hold.route), failure.cause);
        self.resolved();
        let when = match self.ending {
            Ending::Wall => When::Wall(worker.clock()),
            Ending::Scheduled(step) => When::At(step.now),
            Ending::Never => return,
        };
        worker.accounts().failed(self.hold.account, when, self.hold.id, failure, used);
    }

    /// There is no answer, or not all of it.
    /// In lockstep no answer is lost: one that is has no turn among the events, so its hold stays open, and the proof
    /// finds it.
    pub(crate) fn lose(self, cause: Cause) {
        self.worker.counters().ended(Some(self.hold.route), cause);
        self.resolved();
        if self.ending == Ending::Wall {
            self.release(cause);
        }
    }

    /// The client sent no request that could be forwarded whole; it is counted as that.
    pub(crate) fn withdraw(self) {
        self.resolved();
        if self.ending == Ending::Wall {
            self.release(Cause::ClientAbort);
        }
    }

    /// The answer ends before its end.
    fn break_off(self, error: &ReplyError) {
        match error {
            ReplyError::Broken(_) => self.lose(Cause::UpstreamError),
            ReplyError::Stalled => self.lose(Cause::UpstreamTimeout),
        }
    }

    fn release(&self, cause: Cause) {
        let (worker, Hold { account, id, .. }) = (&self.worker, self.hold);
        let when = When::Wall(worker.clock());
        worker.accounts().failed(account, when, id, Failure::lost(cause), PerMeter::default());
    }

    fn resolved(&self) {
        let counters = self.worker.counters();
        counters.resolved();
        if let Some(began) = self.began {
            counters.took(began.elapsed());
        }
    }
}

// === Body ===

/// The body of a response: the gateway's own, or the upstream's passed through.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "a box would be one allocation more for each request that is passed on")]
pub(crate) enum Answer {
    Own(Full<Bytes>),
    Upstream(Passed),
}

/// An upstream's body on its way to the client. At its end the exchange is settled, before the client has the last byte.
#[derive(Debug)]
pub(crate) struct Passed {
    /// `None` once it has moved into a task of its own.
    body: Option<Reply>,
    open: Option<Open>,
}

/// What is to be done when the body ends.
#[derive(Debug)]
pub(crate) struct Open {
    /// The hold to resolve; `None` where that was done with the head.
    pub(crate) unsettled: Option<Unsettled>,
    /// When the first of the body had come, where that is asked for.
    first: Option<Instant>,
}

/// A call whose answer is on its way.
#[derive(Debug)]
pub(crate) struct Unsettled {
    pub(crate) exchange: Exchange,
    pub(crate) used: Used,
    /// What it was answered with.
    pub(crate) status: u16,
}

/// What a call has used.
#[derive(Debug)]
pub(crate) enum Used {
    /// The head of its answer has said so.
    Known(PerMeter<u64>),
    /// The body may say so; `None`: it is no body that could.
    InBody(Option<Box<TokenMeter>>),
}

impl Unsettled {
    /// The whole answer has passed, or no more of it is read.
    fn settle(self, is_whole: bool) {
        let Self { exchange, used, status } = self;
        let usage = match used {
            Used::Known(usage) => usage,
            Used::InBody(meter) => exchange.worker.counted(meter.filter(|_| is_whole).and_then(|meter| meter.end())),
        };
        exchange.settle(usage, status);
    }
}

impl Open {
    pub(crate) fn new(unsettled: Option<Unsettled>) -> Self {
        Self { unsettled, first: None }
    }

    /// The client goes before the end of the body: on which thread the rest is read; `None` where nothing is open any more, or
    /// the thread is ending.
    fn is_left(&self) -> Option<Rc<Worker>> {
        let Unsettled { exchange, used, .. } = self.unsettled.as_ref()?;
        let worker = Rc::clone(&exchange.worker);
        if !worker.is_serving() {
            return None;
        }
        // Of a body that has not said yet what the call used, one request is known.
        let usage = if let Used::Known(usage) = used { *usage } else { one_request() };
        exchange.client().goes(&usage, self.first.map(|first| first.elapsed()));
        Some(worker)
    }

    /// Some of the body has come.
    fn feed(&mut self, frame: &Frame<Bytes>) {
        if self.first.is_none() && self.unsettled.as_ref().is_some_and(|it| bills_sent(&it.exchange.worker)) {
            self.first = frame.data_ref().map(|_| Instant::now());
        }
        if let Some(Unsettled { used: Used::InBody(Some(meter)), .. }) = &mut self.unsettled
            && let Some(bytes) = frame.data_ref()
        {
            meter.feed(bytes);
        }
    }

    fn end(self) {
        if let Some(unsettled) = self.unsettled {
            unsettled.settle(true);
        }
    }

    fn break_off(self, error: &ReplyError) {
        if let Some(unsettled) = self.unsettled {
            unsettled.exchange.break_off(error);
        }
    }

    /// Stopped reading: what the head said was used, the connection is of no use.
    fn cut(self) {
        if let Some(unsettled) = self.unsettled {
            unsettled.settle(false);
        }
    }
}

impl Passed {
    pub(crate) fn new(body: Reply, open: Open) -> Self {
        let over = body.is_end_stream();
        let mut passed = Self { body: Some(body), open: Some(open) };
        if over {
            passed.end();
        }
        passed
    }

    fn end(&mut self) {
        if let Some(open) = self.open.take() {
            open.end();
        }
    }
}

impl Body for Passed {
    type Data = Bytes;
    type Error = ReplyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ReplyError>>> {
        let Self { body: Some(body), open } = &mut *self else { return Poll::Ready(None) };
        let frame = ready!(Pin::new(&mut *body).poll_frame(context));
        if let (Some(Ok(frame)), Some(open)) = (&frame, open) {
            open.feed(frame);
        }
        match &frame {
            Some(Ok(_)) if !body.is_end_stream() => {}
            Some(Ok(_)) | None => self.end(),
            Some(Err(error)) => {
                if let Some(open) = self.open.take() {
                    open.break_off(error);
                }
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(SizeHint::default, Body::size_hint)
    }
}

impl Drop for Passed {
    /// The client went away before the end: what is left of the body is read by a task of its own.
    fn drop(&mut self) {
        if let (Some(body), Some(open)) = (self.body.take(), self.open.take()) {
            match open.is_left() {
                Some(worker) => drop(spawn_local(read_out(worker, body, open))),
                None => drop(open),
            }
        }
    }
}

async fn read_out(worker: Rc<Worker>, mut body: Reply, mut open: Open) {
    let mut left = BYTES_AFTER_ABORT;
    let rest = async {
        while let Some(frame) = body.frame().await {
            let frame = frame?;
            open.feed(&frame);
            left = match left.checked_sub(frame.data_ref().map_or(0, Bytes::len)) {
                Some(left) => left,
                None => return Ok(false),
            };
        }
        Ok::<_, ReplyError>(true)
    };
    match worker.timer().timeout_at(Instant::now() + AFTER_ABORT, rest).await {
        Some(Ok(true)) => open.end(),
        Some(Err(error)) => open.break_off(&error),
        Some(Ok(false)) | None => open.cut(),
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = ReplyError;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, ReplyError>>> {
        match self.get_mut() {
            Self::Own(body) => Pin::new(body).poll_frame(context).map_err(|never| match never {}),
            Self::Upstream(body) => Pin::new(body).poll_frame(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Own(body) => body.is_end_stream(),
            Self::Upstream(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Own(body) => body.size_hint(),
            Self::Upstream(body) => body.size_hint(),
        }
    }
}

// === Detached ===

/// A call that goes on by itself when it is dropped before its answer has begun.
pub(crate) struct Detached {
    client: Client,
    future: Option<Pin<Box<dyn Future<Output = Response<Answer>>>>>,
}

impl Detached {
    pub(crate) fn new(client: Client, future: impl Future<Output = Response<Answer>> + 'static) -> Self {
        Self { client, future: Some(Box::pin(future)) }
    }
}

impl Future for Detached {
    type Output = Response<Answer>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Response<Answer>> {
        let future = self.future.as_mut().expect("a future is not polled after it has ended");
        let output = ready!(future.as_mut().poll(context));
        self.future = None;
        Poll::Ready(output)
    }
}

impl Drop for Detached {
    fn drop(&mut self) {
        if let Some(future) = self.future.take()
            && self.client.worker.is_serving()
        {
            // Nothing of the answer has come.
            self.client.goes(&PerMeter::default(), None);
            let worker = Rc::clone(&self.client.worker);
            spawn_local(async move {
                // That its client has gone is counted already.
                if let Answer::Upstream(mut passed) = future.await.into_body()
                    && let (Some(body), Some(open)) = (passed.body.take(), passed.open.take())
                {
                    read_out(worker, body, open).await;
                }
            });
        }
    }
}
