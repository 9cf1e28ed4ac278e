//! hyper's timer for the heads of one connection's requests. hyper makes a sleep for each head and drops it when the head
//! is read; tokio's own would enter the runtime's wheel and leave it again each time, which costs more than to find the
//! answer. Here the connection has one alarm, which is set anew when it has gone off too early. Called by
//! `connections.rs`.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use hyper::rt;
use tokio::time;

use crate::lock::lock;

/// For one connection and one time limit: its deadlines never move back.
pub(super) struct HeadTimer(Alarm);

type Alarm = Arc<Mutex<Pin<Box<time::Sleep>>>>;

impl HeadTimer {
    /// Of the runtime that the connection is served by.
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(Box::pin(time::sleep(Duration::ZERO)))))
    }
}

impl rt::Timer for HeadTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn rt::Sleep>> {
        self.sleep_until((time::Instant::now() + duration).into_std())
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn rt::Sleep>> {
        Box::pin(Wait {
            deadline: deadline.into(),
            alarm: Arc::clone(&self.0),
        })
    }
}

/// Until the deadline: the alarm goes off then, or before.
struct Wait {
    deadline: time::Instant,
    alarm: Alarm,
}

impl rt::Sleep for Wait {}

impl Future for Wait {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut alarm = lock(&self.alarm);
        loop {
            ready!(alarm.as_mut().poll(context));
            if alarm.deadline() >= self.deadline {
                return Poll::Ready(());
            }
            alarm.as_mut().reset(self.deadline);
        }
    }
}

#[cfg(test)]
mod tests {
    use rt::Timer;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn each_sleep_ends_at_its_own_deadline() {
        let timer = HeadTimer::new();
        let start = time::Instant::now();
        let after_ten = timer.sleep(Duration::from_secs(10));
        time::timeout(Duration::from_secs(7), after_ten).await.unwrap_err();
        timer.sleep(Duration::from_secs(10)).await;
        assert_eq!(start.elapsed(), Duration::from_secs(17));
    }
}
