"""A GPT keeps to the topic of a conversation.

TinyTalks again, but now the pairs of one topic follow each other, and after the first question the
topic is only called it, she, he or they:

    Q: What does a cow eat?
    A: A cow eats grass.
    Q: How many legs does it have?
    A: A cow has four legs.

Nothing in the second question says "cow". The model must look back, with attention, at the turn
before. The measure: of the follow-ups that could be about several topics, the share whose answer
names the one of the dialogue.

    python 02_vaswani_dialogue.py                              about 3 minutes
    python 02_vaswani_dialogue.py --epochs 5 --batch-size 4    under a minute, loss below 1.5
    python 02_vaswani_dialogue.py --shuffle-turns              the control: turns of mixed topics
    python 02_vaswani_dialogue.py --chat                       talk to it after training
"""

import math
import random
from collections import Counter

import tinytorch
from tinytorch import console
from tinytorch.dataloader import DataLoader, TensorDataset, load_tinytalks
from tinytorch.losses import cross_entropy
from tinytorch.optimizers import AdamW, clip_grad_norm_, warmup_cosine
from tinytorch.tokenization import CharTokenizer, next_token_windows
from tinytorch.transformers import GPT

CONTEXT = 128  # characters the model can look back on
STRIDE = 32  # a window of text begins every so many characters
RETELLINGS = 5  # an epoch tells every dialogue five times, each time in another order
THRESHOLD = 1.5  # nats per character
ANSWER = 64  # characters an answer may have


def turn(question, answer=None):
    """One turn as text; without an answer it is what the model goes on from."""
    return f"Q: {question}\nA:" if answer is None else f"Q: {question}\nA: {answer}\n"


def follow_up(talk):
    """The question with the topic called by its pronoun only."""
    return talk.question.replace(talk.topic, talk.pronoun)


def by_topic(talks):
    """The talks of each topic together, in the order of the file."""
    topics = {}
    for talk in talks:
        topics.setdefault(talk.topic, []).append(talk)
    return list(topics.values())


def told(topics, source, shuffle_turns):
    """All dialogues one after the other, topics and turns in random order, as one text.

    With `shuffle_turns` the follow-ups come from any topic: the same turns, but no conversation.
    """
    every_turn = [talk for talks in topics for talk in talks]
    text = []
    for talks in source.sample(topics, len(topics)):
        first, *rest = source.sample(talks, len(talks))
        if shuffle_turns:
            rest = source.choices(every_turn, k=len(rest))
        turns = [turn(first.question, first.answer)]
        turns += [turn(follow_up(talk), talk.answer) for talk in rest]
        text.append("".join(turns) + "\n")
    return "".join(text)


def windows(topics, tokenizer, source, shuffle_turns):
    """One epoch's inputs and targets: windows of 128 characters, the targets one further."""
    parts = [
        next_token_windows(tokenizer.encode(told(topics, source, shuffle_turns)), CONTEXT, STRIDE)
        for _ in range(RETELLINGS)
    ]
    return TensorDataset(*(tinytorch.cat(list(part)) for part in zip(*parts)))


def train(model, topics, tokenizer, flags):
    """Train for the given epochs; returns the mean loss of the last one and the seconds used."""
    source = random.Random(flags.seed)
    epochs = [windows(topics, tokenizer, source, flags.shuffle_turns) for _ in range(flags.epochs)]
    loaders = [DataLoader(data, flags.batch_size, shuffle=True, drop_last=True) for data in epochs]
    optimizer = AdamW(model.parameters(), lr=flags.lr, weight_decay=0.01)
    steps = sum(len(loader) for loader in loaders)
    print(
        f"an epoch: every dialogue {RETELLINGS} times = {len(loaders[0]):,} steps, "
        f"{len(loaders[0]) * flags.batch_size * CONTEXT:,} characters to guess"
    )
    with console.Progress(steps) as progress:
        for epoch, loader in enumerate(loaders, start=1):
            losses = []
            for inputs, targets in loader:
                lr = warmup_cosine(progress.done + 1, 100, steps, flags.lr, flags.lr / 10)
                optimizer.param_groups[0]["lr"] = lr
                loss = cross_entropy(model(inputs), targets)
                optimizer.zero_grad()
                loss.backward()
                clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()
                losses.append(loss.item())
                progress.update(targets.numel(), loss=losses[-1], epoch=epoch)
                if progress.seconds > flags.max_seconds:
                    return sum(losses) / len(losses), progress.seconds
            progress.say(f"epoch {epoch}: mean loss {sum(losses) / len(losses):.3f}")
            for question, reply in converse(model, tokenizer, topics[0])[:3]:
                progress.say(f"    {question} {reply}")
    return sum(losses) / len(losses), progress.seconds


class Conversation:
    """Questions and answers so far; the model sees the turns that fit into its context."""

    def __init__(self, model, tokenizer):
        self.model, self.tokenizer, self.history = model, tokenizer, "\n"

    def ask(self, question):
        """The model's answer, the likeliest character each time; it becomes part of the history."""
        seen = (self.history + turn(question))[-CONTEXT:]
        ids = tinytorch.tensor([self.tokenizer.encode(seen)])
        stop = self.tokenizer.encode("\n")
        written = self.model.generate(ids, ANSWER, temperature=0.0, stop=stop)[0, ids.shape[1] :]
        answer = self.tokenizer.decode(written.tolist()).split("\n")[0].strip()
        self.history += turn(question, answer)
        return answer


def converse(model, tokenizer, talks):
    """Ask the questions of one topic in turn, all but the first with the pronoun."""
    conversation = Conversation(model, tokenizer)
    questions = [talks[0].question, *map(follow_up, talks[1:])]
    return [(question, conversation.ask(question)) for question in questions]


def topic_kept(model, tokenizer, topics):
    """Of the follow-ups that at least two topics are asked, the share answered with the right one.

    "What does it eat?" is asked of six topics, so only the turns before tell which is meant. An
    answer names the topic if the topic's last word stands in it.
    """
    asked_of = Counter(follow_up(talk) for talks in topics for talk in talks)
    named = []
    for talks in topics:
        word = talks[0].topic.split()[-1].lower()
        for question, reply in converse(model, tokenizer, talks)[1:]:
            if asked_of[question] > 1:
                named.append(word in reply.lower())
    return sum(named) / len(named), len(named)


def plain_loss(model, text, tokenizer):
    """The mean loss over a text that was not trained on in this order, in plain Python."""
    inputs, targets = next_token_windows(tokenizer.encode(text), CONTEXT, CONTEXT)
    total = 0.0
    with tinytorch.no_grad():
        for window, wanted in zip(inputs, targets.tolist()):
            for row, target in zip(model(window.reshape(1, CONTEXT)).tolist()[0], wanted):
                top = max(row)
                total += top + math.log(sum(math.exp(x - top) for x in row)) - row[target]
    return total / targets.numel()


def chat(model, tokenizer):
    """Talk to the model until an empty line or the end of the input."""
    print("\nAsk about TinyTalks, such as: What is a camel? An empty line ends the chat.")
    conversation = Conversation(model, tokenizer)
    while True:
        try:
            question = input("Q: ").strip()
        except EOFError:
            return
        if not question:
            return
        try:
            print(f"A: {conversation.ask(question)}")
        except ValueError as error:
            print(f"   ({error})")


def read_flags():
    flags = console.parser(__doc__)
    flags.add_argument("--shuffle-turns", action="store_true", help="the control: mix the topics")
    flags.add_argument("--chat", action="store_true", help="talk to the model after training")
    console.add_flags(
        flags,
        epochs=10,
        batch_size=16,
        levels=5,
        num_layers=3,
        lr=3e-3,
        levels_help="use the first levels of TinyTalks, 1 to 5",
    )
    return console.checked_flags(flags)


def main():
    flags = read_flags()
    tinytorch.manual_seed(flags.seed)
    topics = by_topic(load_tinytalks("train", flags.levels))
    unseen_order = told(topics, random.Random(-1 - flags.seed), shuffle_turns=False)
    tokenizer = CharTokenizer(unseen_order + "".join(t.question for talks in topics for t in talks))
    model = GPT(tokenizer.vocab_size, flags.embed_dim, flags.num_heads, flags.num_layers, CONTEXT)
    print(
        f"data: {len(topics)} topics with {sum(map(len, topics))} pairs of levels 1 to {flags.levels}; "
        f"turns {'of mixed topics' if flags.shuffle_turns else 'in conversations'}"
    )
    print(f"model: {sum(p.numel() for p in model.parameters()):,} parameters; {console.mix()}")

    mean, seconds = train(model, topics, tokenizer, flags)
    model.eval()
    print("\na conversation of several turns:")
    for question, reply in converse(model, tokenizer, topics[0]):
        print(f"    Q: {question}\n    A: {reply}")
    kept, count = topic_kept(model, tokenizer, topics)
    print(
        f"topic kept: {kept:.2f} (of {count} follow-ups that fit several topics, the share whose "
        "answer names the one of the dialogue)"
    )
    if flags.chat:
        chat(model, tokenizer)
    print(f"\ntrained for {seconds:.0f} s; mean loss of the last epoch {mean:.3f}")
    final = plain_loss(model, unseen_order, tokenizer)
    passed = final < THRESHOLD and mean < THRESHOLD
    code = console.verdict("loss on dialogues in a new order", final, THRESHOLD, passed, unit="")
    print("Next: README.md, what you understand now" if passed else "Try more --epochs.")
    return code


if __name__ == "__main__":
    console.run(main)
